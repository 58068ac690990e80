// Who may do what, and what is kept of it, on real servers: tokens, ownership, lock-out, TLS, new passwords and keys.
#include "base/file.hpp"
#include "stack.hpp"

#include <fmt/format.h>

#include <csignal>
#include <filesystem>

using namespace toygres;
using namespace toygres::test;
using namespace std::chrono_literals;

namespace {

http::Headers bearer(const std::string& token) { return {{"Authorization", "Bearer " + token}}; }

std::string trimmed(std::string text) {
    while (text.ends_with('\n')) text.pop_back();
    return text;
}

// The text of a new token: the last line of what the command prints.
std::string make_token(const Stack& stack, const std::string& arguments) {
    const auto made = stack.cli("token create " + arguments);
    INFO(made.output);
    REQUIRE(made.code == 0);
    const auto text = trimmed(made.output);
    return text.substr(text.rfind('\n') + 1);
}

std::string code_of(const http::Response& response) {
    const auto json = parse_json(response.body);
    return json ? json->value("code", "") : "";
}

// How often the audit has that.
std::string audited(const Stack& stack, const std::string& caller, const std::string& action,
                    const std::string& outcome) {
    return stack.value(
        fmt::format("SELECT count(*) FROM audit_log WHERE caller = '{}' AND action = '{}' AND outcome = '{}'", caller,
                    action, outcome));
}

std::string password_of(const Stack& stack, const std::string& name) {
    const auto response = stack.call("GET", "/api/v1/instances/" + name + "/connection");
    INFO(response.body);
    REQUIRE(response.status == 200);
    return parse_json(response.body)->at("password").get<std::string>();
}

std::string host_of(const Stack& stack, const std::string& name) {
    const auto response = stack.call("GET", "/api/v1/instances/" + name + "/connection");
    return parse_json(response.body)->at("host").get<std::string>();
}

bool opens(const Stack& stack, const std::string& name, const std::string& password) {
    return shell(fmt::format("PGPASSWORD='{}' psql -X -At 'host={} user=postgres dbname=postgres sslmode=require' -c "
                             "'SELECT 1'",
                             password, host_of(stack, name)))
               .code == 0;
}

// A certificate for 127.0.0.1 that signs itself, as `path`.crt and `path`.key.
void make_certificate(const std::string& path) {
    const auto made =
        shell(fmt::format("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
                          "-subj /CN=toygres -addext subjectAltName=IP:127.0.0.1 -keyout {0}.key -out {0}.crt",
                          path));
    INFO(made.output);
    REQUIRE(made.code == 0);
}

// The HTTP status that curl sees; 0 when it trusts nobody there.
int status_over_tls(const std::string& url, const std::string& ca) {
    return std::atoi(
        shell(fmt::format("curl -s -o /dev/null -w '%{{http_code}}' --cacert {} {}/livez", ca, url)).output.c_str());
}

}  // namespace

TEST_CASE("security: an operator has instances of its own, and can do nothing to those of others", "[security]") {
    auto& stack = shared_stack();
    const auto mine = make_token(stack, "sec-mine --owner sec-a");
    const auto theirs = make_token(stack, "sec-theirs --owner sec-b");
    const auto watching = make_token(stack, "sec-watching --role viewer");
    const auto made =
        stack.call("POST", "/api/v1/instances", {{"name", "secdb"}, {"replication", false}}, bearer(mine));
    REQUIRE(made.status == 202);
    CHECK(stack.wait_operation(operation_of(made)).at("state") == "succeeded");
    const auto path = std::string("/api/v1/instances/secdb");

    CHECK(stack.call("GET", path, nullptr, bearer(watching)).status == 200);
    CHECK(stack.call("GET", path + "/connection", nullptr, bearer(watching)).status == 403);
    CHECK(code_of(stack.call("GET", path + "/connection", nullptr, bearer(theirs))) == "not_owner");
    CHECK(code_of(stack.call("DELETE", path, nullptr, bearer(theirs))) == "not_owner");
    CHECK(stack.call("GET", path + "/connection", nullptr, bearer(mine)).status == 200);
    CHECK(stack.call("GET", "/api/v1/audit", nullptr, bearer(mine)).status == 403);
    CHECK(audited(stack, "sec-theirs", "credentials.read", "denied") == "1");
    CHECK(audited(stack, "sec-theirs", "instance.delete", "denied") == "1");
    CHECK(audited(stack, "sec-mine", "credentials.read", "done") == "1");

    CHECK(stack.cli("set-owner secdb sec-b").code == 0);
    CHECK(code_of(stack.call("GET", path + "/connection", nullptr, bearer(mine))) == "not_owner");
    CHECK(stack.call("GET", path + "/connection", nullptr, bearer(theirs)).status == 200);
    const auto gone = stack.call("DELETE", path, nullptr, bearer(theirs));
    REQUIRE(gone.status == 202);
    CHECK(stack.wait_operation(operation_of(gone)).at("state") == "succeeded");
    CHECK(audited(stack, "sec-theirs", "instance.delete", "done") == "1");
    CHECK(stack.cli("audit --object secdb").output.contains("not_owner"));
}

TEST_CASE("security: a token that is revoked or expires ends, and the database never held it", "[security]") {
    auto& stack = shared_stack();
    const auto works = [&](const std::string& token) {
        return stack.call("GET", "/api/v1/instances", nullptr, bearer(token)).status == 200;
    };
    const auto revoked = make_token(stack, "sec-revoked --role viewer");
    REQUIRE(works(revoked));
    CHECK(stack.value("SELECT last_used_at IS NOT NULL FROM api_tokens WHERE name = 'sec-revoked'") == "t");
    CHECK(stack.cli("token revoke sec-revoked").code == 0);
    CHECK(eventually([&] { return !works(revoked); }, 10));
    const auto expiring = make_token(stack, "sec-expiring --role viewer --expires 1h");
    REQUIRE(works(expiring));
    stack.sql("UPDATE api_tokens SET expires_at = now() WHERE name = 'sec-expiring'");
    CHECK(eventually([&] { return !works(expiring); }, 10));
    CHECK(stack.value(fmt::format("SELECT count(*) FROM api_tokens t WHERE t::text LIKE '%{}%'", revoked.substr(4))) ==
          "0");
    CHECK(stack.value("SELECT count(*) FROM audit_log WHERE action IN ('token.create', 'token.revoke') AND outcome = "
                      "'done' AND object IN ('sec-revoked', 'sec-expiring')") == "3");
}

TEST_CASE("security: who guesses tokens waits, who was known works on", "[security]") {
    auto& stack = shared_stack();
    const auto server = stack.start_extra_server();
    const auto get = [&](const std::string& token) {
        return std::atoi(shell(fmt::format("curl -s -o /dev/null -w '%{{http_code}}' -H 'Authorization: Bearer {}' "
                                           "{}/api/v1/instances",
                                           token, server.url))
                             .output.c_str());
    };
    REQUIRE(eventually([&] { return get(stack.token()) == 200; }));
    const auto unknown = make_token(stack, "sec-unknown --role viewer");
    for (int n = 0; n < 10; ++n) CHECK(get("tgr_guess") == 401);
    CHECK(get("tgr_guess") == 429);
    CHECK(get(unknown) == 429);
    CHECK(get(stack.token()) == 200);
    CHECK(shell(fmt::format("curl -s -D - -o /dev/null -H 'Authorization: Bearer x' {}/api/v1/instances", server.url))
              .output.contains("Retry-After: "));
    CHECK(stack.call("GET", "/api/v1/instances", nullptr, bearer(unknown)).status == 200);  // the other server
    CHECK(stack.value("SELECT count(*) FROM audit_log WHERE code = 'unauthenticated' AND caller IS NULL") != "0");
    ::kill(server.pid, SIGKILL);
}

TEST_CASE("security: TLS is served by files, and by those that replace them", "[security]") {
    auto& stack = shared_stack();
    const auto files = stack.directory + "/tls";
    std::filesystem::create_directories(files);
    for (const auto* name : {"first", "second", "served"}) make_certificate(files + "/" + name);
    const auto serve = [&](const std::string& name) {
        for (const auto* end : {".crt", ".key"})
            REQUIRE(write_file_atomically(files + "/served" + end, *read_file(files + "/" + name + end), 0600));
    };
    serve("first");
    const auto server =
        stack.start_extra_server({.environment = {fmt::format("TOYGRES_TLS_CERT={}/served.crt", files),
                                                  fmt::format("TOYGRES_TLS_KEY={}/served.key", files)}});
    const auto url = "https" + server.url.substr(4);
    const auto status = [&](const std::string& name) { return status_over_tls(url, files + "/" + name + ".crt"); };
    REQUIRE(eventually([&] { return status("first") == 200; }));
    CHECK(status("second") == 0);
    const auto listed = [&](const std::string& ca) {
        return shell(fmt::format("{}/toygres --api-url {} --token {} {} list", stack.binaries, url, stack.token(), ca));
    };
    CHECK(listed(fmt::format("--ca-file {}/first.crt", files)).code == 0);
    CHECK(listed("").output.contains("is not to be trusted"));

    // A key that is not the certificate's changes nothing.
    REQUIRE(write_file_atomically(files + "/served.key", *read_file(files + "/second.key"), 0600));
    REQUIRE(::kill(server.pid, SIGHUP) == 0);
    const auto log = [&] { return *read_file(stack.directory + "/extra.log"); };
    CHECK(eventually([&] { return log().contains("certificate.refused"); }));
    CHECK(status("first") == 200);

    serve("second");
    REQUIRE(::kill(server.pid, SIGHUP) == 0);
    CHECK(eventually([&] { return status("second") == 200; }));
    CHECK(status("first") == 0);
    serve("first");  // without a word
    CHECK(eventually([&] { return status("first") == 200; }));
    ::kill(server.pid, SIGKILL);
}

TEST_CASE("security: off the loopback there is no server without TLS, and what to do is told", "[security]") {
    auto& stack = shared_stack();
    const auto start = [&](const std::string& arguments) {
        return shell(
            fmt::format("timeout 60 {}/toygres server --database-url '{}' --kubeconfig {} --seal-key-file "
                        "{}/seal.key --listen 0.0.0.0:0 {}",
                        stack.binaries, stack.database(), stack.kubeconfig(), stack.directory, arguments));
    };
    const auto refused = start("");
    CHECK(refused.code == 1);
    CHECK(refused.output.contains("plain_http_refused"));
    CHECK(refused.output.contains("--tls-cert"));
    CHECK(start("--tls-cert /nowhere.crt --tls-key /nowhere.key").output.contains("/nowhere.crt"));
}

TEST_CASE("security: a new password opens the instance, the old one does not, and nobody reads it in between",
          "[security]") {
    auto& stack = shared_stack();
    CHECK(stack.wait_operation(stack.create("rotated")).at("state") == "succeeded");
    const auto before = password_of(stack, "rotated");
    const auto rotated = stack.cli("rotate-password rotated --wait");
    INFO(rotated.output);
    CHECK(rotated.code == 0);
    const auto after = password_of(stack, "rotated");
    CHECK(after != before);
    CHECK_FALSE(rotated.output.contains(after));
    CHECK(opens(stack, "rotated", after));
    CHECK_FALSE(opens(stack, "rotated", before));
    CHECK(stack.value("SELECT count(*) FROM sealed_secrets") == "0");
    CHECK(
        stack.value("SELECT count(*) FROM audit_log WHERE action = 'instance.rotate_password' AND outcome = 'done' AND "
                    "object = 'rotated'") == "1");
    CHECK(stack.value(fmt::format("SELECT count(*) FROM orchestration_events e WHERE e::text LIKE '%{}%'", after)) ==
          "0");
    CHECK(stack.broken_invariants().empty());
    CHECK(stack.wait_operation(stack.remove("rotated")).at("state") == "succeeded");
}

TEST_CASE("security: a new password is set also when somebody else changes the role in the same moment", "[security]") {
    auto& stack = shared_stack();
    CHECK(stack.wait_operation(stack.create("contended")).at("state") == "succeeded");
    const auto before = password_of(stack, "contended");
    const auto conninfo = fmt::format("host={} user=postgres dbname=postgres sslmode=require password={}",
                                      host_of(stack, "contended"), before);
    pqxx::connection somebody(conninfo), witness(conninfo);
    pqxx::work change(somebody);
    change.exec("ALTER ROLE postgres CONNECTION LIMIT -1");
    const auto accepted = stack.call("POST", "/api/v1/instances/contended/rotate-password");
    REQUIRE(accepted.status == 202);
    REQUIRE(eventually([&] {
        return pqxx::nontransaction(witness)
                   .exec(
                       "SELECT FROM pg_stat_activity WHERE application_name = 'toygres rotate-password' AND "
                       "wait_event_type = 'Lock'")
                   .size() == 1;
    }));
    change.commit();
    const auto operation = stack.wait_operation(parse_json(accepted.body)->at("operation").at("id").get<std::string>());
    INFO(operation.dump());
    CHECK(operation.at("state") == "succeeded");
    const auto after = password_of(stack, "contended");
    CHECK(after != before);
    CHECK(opens(stack, "contended", after));
    CHECK_FALSE(opens(stack, "contended", before));
    CHECK(stack.wait_operation(stack.remove("contended")).at("state") == "succeeded");
}

TEST_CASE("security: kill -9 of the server at every point of a change of password", "[security]") {
    Stack stack;
    stack.up();
    CHECK(stack.wait_operation(stack.create("db")).at("state") == "succeeded");
    for (const auto* point : {"rotate.old_kept:1", "rotate.secret_replaced:1", "rotate.role_changed:1",
                              "commit.before/rotate:2", "commit.after/rotate:3"}) {
        INFO(point);
        const auto before = password_of(stack, "db");
        stack.signal_server(SIGTERM);
        stack.wait_for_death();
        stack.up(point);
        // It begins at once, so that the server may be dead before it has answered.
        const auto accepted = stack.call("POST", "/api/v1/instances/db/rotate-password");
        CHECK((accepted.status == 202 || accepted.status == 0));
        stack.wait_for_death();
        stack.up();
        const auto operation =
            stack.value("SELECT id FROM operations WHERE kind = 'rotate_password' ORDER BY created_at DESC LIMIT 1");
        CHECK(stack.wait_operation(operation).at("state") == "succeeded");
        const auto after = password_of(stack, "db");
        CHECK(after != before);
        CHECK(opens(stack, "db", after));
        CHECK_FALSE(opens(stack, "db", before));
        CHECK(stack.value("SELECT count(*) FROM sealed_secrets") == "0");
        CHECK(stack.broken_invariants().empty());
    }
    CHECK(eventually([&] { return stack.value("SELECT health_status FROM instances") == "healthy"; }));
}

TEST_CASE("security: a new sealing key takes over while the server runs", "[security]") {
    Stack stack;
    stack.up();
    const auto path = stack.directory + "/seal.key";
    const auto before = trimmed(*read_file(path));
    const auto rotated = stack.cli("rotate-key --wait 7s");
    INFO(rotated.output);
    CHECK(rotated.code == 0);
    const auto keys = trimmed(*read_file(path));
    CHECK(keys.ends_with("\n" + before));
    CHECK(keys.size() == 129);
    const auto readings = [&] {
        const auto log = *read_file(stack.directory + "/server.log");
        int out = 0;
        for (std::size_t at = 0; (at = log.find("seal_key.read", at)) != std::string::npos; ++at) ++out;
        return out;
    };
    CHECK(eventually([&] { return readings() >= 2; }));
    CHECK(stack.wait_operation(stack.create("db", {{"password", "given-by-me"}})).at("state") == "succeeded");
    CHECK(opens(stack, "db", "given-by-me"));
}
