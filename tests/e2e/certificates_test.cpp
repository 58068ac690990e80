// Certificates of an instance: renewed by the running server before they expire, exchanged by hand, verified by
// everybody who connects. In brackets: the peers' tests that ask the same.
#include "kube/certificates.hpp"

#include "base/asio.hpp"
#include "kube/inspect.hpp"
#include "kube/manifests.hpp"
#include "scenario.hpp"
#include "support/run.hpp"

#include <fmt/format.h>

#include <csignal>
#include <fstream>

using namespace toygres;
using namespace toygres::test;
using namespace std::chrono_literals;

namespace {

constexpr auto ns = "toygres";

// What tells of a renewal that is not in the audit trail yet.
std::string notes_of(const Replicated& db) {
    asio::io_context io;
    kube::Client client(io.get_executor(), kube::load_kubeconfig(db.stack().kubeconfig()).value());
    const auto secret =
        value_or_raise(run(io, client.get(kube::resource("Secret", ns, kube::tls_secret(db.k8s_name())))));
    return kube::text_at(secret, "/metadata/annotations/toygres.io~1renewal-note");
}

// Changes a Secret as somebody with kubectl does.
void write_keys(const Replicated& db, const std::string& name, const std::map<std::string, std::string>& keys) {
    asio::io_context io;
    kube::Client client(io.get_executor(), kube::load_kubeconfig(db.stack().kubeconfig()).value());
    auto secret = value_or_raise(run(io, client.get(kube::resource("Secret", ns, name))));
    REQUIRE(kube::set_keys(secret, keys));
    REQUIRE(run(io, client.replace(std::move(secret))));
}

std::map<std::string, std::string> keys_of(const kube::Certificates& issued) {
    return {{"tls.crt", issued.server.certificate_pem},
            {"tls.key", issued.server.private_key_pem.reveal()},
            {"client.crt", issued.client.certificate_pem},
            {"client.key", issued.client.private_key_pem.reveal()}};
}

CertificatePair own_ca(const Replicated& db) {
    const auto name = kube::ca_secret(db.k8s_name());
    return {db.secret(name, "ca.crt"), Secret(db.secret(name, "ca.key"))};
}

std::string certificate(const Replicated& db) { return db.secret(kube::tls_secret(db.k8s_name()), "tls.crt"); }

// What postgres of a member shows now, in PEM.
std::string shown_by(const Replicated& db, const std::string& member) {
    const auto shown = shell(
        fmt::format("(openssl s_client -connect {}:5432 -starttls postgres </dev/null 2>/dev/null | openssl x509)",
                    db.address(member)));
    return shown.code == 0 ? shown.output : "";
}

bool all_show(const Replicated& db, const std::string& pem) {
    return eventually([&] { return shown_by(db, db.primary()) == pem && shown_by(db, db.standby()) == pem; });
}

void wake_certificates(const Stack& stack) {
    const auto answer =
        stack.call("POST", "/api/v1/orchestrations/certificates/signal", {{"name", "wake"}, {"payload", Json()}});
    INFO(answer.body);
    REQUIRE(answer.status == 202);
}

// The user's own words for a connection, with the CA in a file; sslmode=verify-full is in them.
std::string url_of(const Replicated& db, const std::string& file) {
    const auto connection =
        parse_json(db.stack().call("GET", "/api/v1/instances/" + db.name() + "/connection").body).value();
    CHECK(connection.at("sslmode") == "verify-full");
    const auto path = db.stack().directory + "/" + file;
    std::ofstream(path) << connection.at("ca_certificate").get<std::string>();
    const auto url = connection.at("url_with_password").get<std::string>();
    CHECK(url.contains("sslmode=verify-full"));
    return url + "&sslrootcert=" + path;
}

std::string ask(pqxx::connection& session, const std::string& query) {
    return pqxx::nontransaction(session).exec(query)[0][0].as<std::string>();
}

std::string renewals(const Replicated& db, const std::string& expression) {
    return db.stack().value(
        fmt::format("SELECT {} FROM instance_events e JOIN instances i ON i.id = e.instance_id "
                    "WHERE i.k8s_name = '{}' AND event_type = 'certificate_renewed' "
                    "AND metadata ->> 'reason' = 'expiring'",
                    expression, db.k8s_name()));
}

}  // namespace

TEST_CASE(
    "certificates: one that is about to expire is renewed by the running server; sessions go on, nobody fails over, "
    "the "
    "same CA verifies [cnpg certificates_test]",
    "[failover][certificates]") {
    const Replicated db(shared_stack(), "certs");
    REQUIRE(db.becomes_whole());
    const auto [epoch, failovers, primary] = std::tuple(db.epoch(), db.failovers(), db.primary());
    const auto url = url_of(db, "certs-before.crt");
    pqxx::connection session(url);
    const auto backend = ask(session, "SELECT pg_backend_pid()");

    const auto brief = kube::issue_certificates(own_ca(db), db.k8s_name(), ns, {}, 20min);
    write_keys(db, kube::tls_secret(db.k8s_name()), keys_of(brief));
    REQUIRE(all_show(db, brief.server.certificate_pem));
    wake_certificates(db.stack());
    REQUIRE(eventually([&] {
        return certificate_expiry(certificate(db)).value() > now() + 24h * 80 && renewals(db, "count(*)") == "1";
    }));
    CHECK(all_show(db, certificate(db)));

    CHECK(ask(session, "SELECT pg_backend_pid()") == backend);
    pqxx::connection after(url);
    CHECK(ask(after, "SELECT 41 + 1") == "42");
    CHECK(db.becomes_whole());
    CHECK(db.primary() == primary);
    CHECK(db.epoch() == epoch);
    CHECK(db.failovers() == failovers);
    CHECK(renewals(db, "metadata ->> 'old_expiry'") ==
          format_rfc3339(certificate_expiry(brief.server.certificate_pem).value()));
    CHECK(renewals(db, "metadata ->> 'new_expiry'") == format_rfc3339(certificate_expiry(certificate(db)).value()));
    CHECK_FALSE(renewals(db, "to_jsonb(e)::text").contains("PRIVATE KEY"));
    CHECK(db.stack().cli("events " + db.name()).output.contains("certificate was renewed (expiring)"));

    // A second look finds nothing to do.
    const auto renewed = certificate(db);
    const auto looks = [&] {
        return std::stoi(
            db.stack().value("SELECT count(*) FROM orchestration_events WHERE orchestration = "
                             "'certificates' AND kind = 'activity_completed'"));
    };
    const auto before = looks();
    wake_certificates(db.stack());
    REQUIRE(eventually([&] { return looks() > before; }));
    CHECK(certificate(db) == renewed);
    CHECK(renewals(db, "count(*)") == "1");
    CHECK(db.stack().broken_invariants() == "");
    remove(db);
}

TEST_CASE("certificates: a server that is killed after the renewal, or after its record, leaves one event of it",
          "[failover][certificates]") {
    Stack stack;
    stack.up();
    const Replicated db(stack, "certkill", {{"replication", false}});
    int renewed = 0;
    for (const auto* point : {"effect.renew:1", "effect.renewal_record:1"}) {
        INFO("killed at " << point);
        stack.signal_server(SIGTERM);
        stack.wait_for_death();
        stack.up(point);
        const auto brief = kube::issue_certificates(own_ca(db), db.k8s_name(), ns, {}, 20min);
        write_keys(db, kube::tls_secret(db.k8s_name()), keys_of(brief));
        // It may be dead before it answers.
        stack.call("POST", "/api/v1/orchestrations/certificates/signal", {{"name", "wake"}, {"payload", Json()}});
        stack.wait_for_death();
        const auto fresh = certificate(db);
        CHECK(fresh != brief.server.certificate_pem);
        stack.up();
        ++renewed;
        CHECK(eventually([&] { return notes_of(db).empty(); }));
        CHECK(renewals(db, "count(*)") == std::to_string(renewed));
        CHECK(certificate(db) == fresh);
        CHECK(renewals(db, "max(metadata ->> 'new_expiry')") == format_rfc3339(certificate_expiry(fresh).value()));
    }
    CHECK(stack.broken_invariants() == "");
}

TEST_CASE("certificates: what an application mounts is enough to connect, and psql by the command line verifies",
          "[failover][certificates]") {
    const Replicated db(shared_stack(), "certapp", {{"replication", false}});
    const auto name = kube::superuser_secret(db.k8s_name());
    const auto ca = db.stack().directory + "/certapp.crt";
    std::ofstream(ca) << db.secret(name, "ca.crt");
    // Names of the cluster resolve in its pods only.
    const auto address = db.stack().value("SELECT external_ip FROM instances WHERE k8s_name = '" + db.k8s_name() + "'");
    pqxx::connection session(db.secret(name, "uri") + "&hostaddr=" + address + "&sslrootcert=" + ca);
    CHECK(ask(session, "SELECT current_user") == "postgres");
    CHECK(ask(session, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == "t");
    CHECK(db.secret(name, "pgpass").contains(db.secret(name, "host") + ":5432:*:postgres:"));
    const auto psql = db.stack().cli("connect certapp -- -XAtc 'SELECT 41 + 1'");
    INFO(psql.output);
    CHECK(psql.code == 0);
    CHECK(psql.output == "42\n");
    const auto url = db.stack().cli("connect certapp --print").output;
    CHECK(url.contains("sslmode=verify-full"));
    // By the address itself too, once it is proved: a load balancer's is.
    CHECK(Certificate::read(certificate(db))->covers(address));
    remove(db);
}

TEST_CASE("certificates: those of another CA, put there by hand, are taken up by a server that goes on running",
          "[failover][certificates]") {
    const Replicated db(shared_stack(), "certca");
    REQUIRE(db.becomes_whole());
    const auto server = db.stack().server_pid();
    const auto [epoch, primary] = std::tuple(db.epoch(), db.primary());
    pqxx::connection session(url_of(db, "certca-before.crt"));

    const auto other = make_ca("another", 24h * 365);
    auto keys = keys_of(kube::issue_certificates(other, db.k8s_name(), ns, {}, 24h * 90));
    keys["ca.crt"] = other.certificate_pem;
    write_keys(db, kube::tls_secret(db.k8s_name()), keys);
    REQUIRE(all_show(db, keys["tls.crt"]));
    // Whoever is asked over a connection of before need not show it; a new pod does.
    const auto standby = db.standby();
    const auto agent = db.agent(standby);
    db.delete_pod(standby);
    REQUIRE(eventually([&] { return db.agent(standby) != 0 && db.agent(standby) != agent; }));
    CHECK(db.becomes_whole());
    CHECK(db.primary() == primary);
    CHECK(db.epoch() == epoch);
    CHECK(ask(session, "SELECT 41 + 1") == "42");
    // The other member, and the way by which users come.
    CHECK(db.ask("switchover").at("state") == "succeeded");
    CHECK(db.becomes_whole());
    CHECK(eventually([&] { return db.health() == "healthy"; }));
    pqxx::connection after(url_of(db, "certca-after.crt"));
    CHECK(ask(after, "SELECT 41 + 1") == "42");
    // Applications are given the CA that is in use.
    wake_certificates(db.stack());
    CHECK(eventually(
        [&] { return db.secret(kube::superuser_secret(db.k8s_name()), "ca.crt") == other.certificate_pem; }));
    // Certificates that are another's business are left alone, whatever the own CA could do.
    CHECK(certificate(db) == keys["tls.crt"]);
    CHECK(db.stack().server_pid() == server);
    CHECK(db.stack().broken_invariants() == "");
    remove(db);
}
