#include "agent_fixture.hpp"
#include "base/file.hpp"
#include "base/x509.hpp"
#include "native_fixture.hpp"
#include "support/catch.hpp"

#include <csignal>
#include <filesystem>

using namespace toygres;
using namespace toygres::test;

namespace fs = std::filesystem;

namespace {

// A file or the arguments of a process that hold the text.
std::vector<std::string> places_of(const std::string& text, const std::vector<std::string>& directories) {
    std::vector<std::string> out;
    std::error_code e;
    for (const auto& directory : directories)
        for (const auto& entry : fs::recursive_directory_iterator(directory, e))
            if (entry.is_regular_file(e) && read_file(entry.path().string()).value_or("").contains(text))
                out.push_back(entry.path().string());
    for (const auto& entry : fs::directory_iterator("/proc", e)) {
        const auto path = entry.path().string() + "/cmdline";
        if (read_file(path).value_or("").contains(text)) out.push_back(path);
    }
    return out;
}

// Of the processes of the server alone: an environment is for its own user to read.
bool in_environment_of(pid_t pid, const std::string& text) {
    const auto environment = read_file("/proc/" + std::to_string(pid) + "/environ").value_or("");
    REQUIRE_FALSE(environment.empty());
    return environment.contains(text);
}

}  // namespace

TEST_CASE("native: a primary and a replica by their environments alone") {
    NativePair f;
    f.a.environment["POSTGRES_USER"] = f.b.environment["POSTGRES_USER"] = "admin";
    f.b.start();
    f.b.wait_for("a try", [](const auto& s) { return s.last_error.has_value(); });
    CHECK_FALSE(f.b.command("probe").status.ok());
    f.a.start();
    f.b.wait_streaming(f.a);
    CHECK(f.a.command("probe").status.ok());
    CHECK(f.b.command("probe").status.ok());

    f.a.query("CREATE TABLE kept AS SELECT 42 AS n");
    f.wait_applied();
    CHECK(f.b.query("SELECT n FROM kept") == "42\n");
    CHECK(f.b.psql("SELECT rolsuper FROM pg_roles WHERE rolname = current_user", "admin").output == "t\n");
    const auto refused = f.b.psql("INSERT INTO kept VALUES (43)");
    CHECK_FALSE(refused.status.ok());
    CHECK(refused.errors.contains("25006"));
    CHECK(f.a.query("SELECT slot_name, active FROM pg_replication_slots") == "node_b|t\n");
    CHECK(f.a.query("SELECT usename FROM pg_stat_replication") == "toygres_replication\n");
    CHECK(f.a.query("SELECT count(*) FROM pg_hba_file_rules WHERE type = 'host' OR auth_method NOT IN ('peer', "
                    "'scram-sha-256')") == "0\n");
}

TEST_CASE("native: passwords are in no arguments, no log, no configuration and not on the volume") {
    NativePair f;
    f.a.environment.erase("POSTGRES_PASSWORD_FILE");
    f.a.environment["POSTGRES_PASSWORD"] = native_password;
    f.start();
    f.a.query("SELECT 1");
    for (auto* const node : {&f.a, &f.b})
        for (const auto& text : {native_password, native_replication_password}) {
            INFO(node->log());
            CHECK_FALSE(node->log().contains(text));
            CHECK_FALSE(in_environment_of(node->postmaster_pid(), text));
            // Whoever may read the private directory, which is not on the volume, may know them: this very user.
            for (const auto& place : places_of(text, {node->root + "/volume", node->root + "/private"})) {
                INFO(place);
                const auto name = place.substr(node->root.size());
                CHECK((name == "/private/passwords" || name.starts_with("/private/native/")));
                CHECK((fs::status(place).permissions() & fs::perms(0077)) == fs::perms::none);
            }
        }
    CHECK_FALSE(f.b.query("SHOW primary_conninfo").contains("password="));
}

TEST_CASE("native: both go on where they were after kill -9, and nothing is copied again") {
    NativePair f;
    f.start();
    f.a.query("CREATE TABLE kept (n int)");
    REQUIRE(::kill(f.b.postmaster_pid(), SIGKILL) == 0);
    f.b.wait_for("started again", [](const auto& s) { return s.restarts == 1 && s.ready; });
    f.b.kill();
    f.a.query("INSERT INTO kept VALUES (1)");
    f.b.start();
    f.b.wait_streaming(f.a);
    f.a.kill();
    f.a.start();
    f.b.wait_streaming(f.a);
    CHECK(f.b.stop().ok());
    CHECK(f.a.stop().ok());
    f.b.start();
    f.a.start();
    f.b.wait_streaming(f.a);
    f.a.query("INSERT INTO kept VALUES (2)");
    f.wait_applied();
    CHECK(f.b.query("SELECT count(*) FROM kept") == "2\n");
    CHECK(f.a.made() == 1);
    CHECK(f.b.made() == 1);
}

TEST_CASE("native: a commit waits for the standby that SYNCHRONOUS_STANDBY_NAMES names") {
    NativePair f;
    f.a.environment["SYNCHRONOUS_STANDBY_NAMES"] = "node-b";
    f.start();
    f.a.query("CREATE TABLE kept (n int)");
    CHECK(f.a.query("SELECT sync_state FROM pg_stat_replication") == "quorum\n");
    CHECK(f.b.stop().ok());
    const auto commit = f.a.begin_psql("INSERT INTO kept VALUES (1)");
    REQUIRE(eventually(
        [&] { return f.a.query("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == "1\n"; }));
    CHECK_FALSE(commit->poll());
    f.b.start();
    REQUIRE(eventually([&] { return commit->poll().has_value(); }));
    CHECK(commit->poll()->ok());
    CHECK(f.a.query("SELECT count(*) FROM kept") == "1\n");
}

TEST_CASE("native: with TLS_DIR a replica follows nobody whose certificate does not prove PRIMARY_HOST") {
    NativePair f;
    const auto ca = make_ca("test", std::chrono::hours(1));
    const auto give = [&ca](NativeNode& node, const std::string& address) {
        const auto made = issue_certificate(ca, {.common_name = "test",
                                                 .dns_names = {},
                                                 .ip_addresses = {address},
                                                 .lifetime = std::chrono::hours(1),
                                                 .for_server = true,
                                                 .for_client = false});
        node.put("/tls/ca.crt", ca.certificate_pem);
        node.put("/tls/tls.crt", made.certificate_pem);
        node.put("/tls/tls.key", made.private_key_pem.reveal());
        node.environment["TLS_DIR"] = node.root + "/tls";
    };
    give(f.a, "127.0.0.1");
    give(f.b, f.b.environment.at("LISTEN_ADDRESS"));
    f.a.start();
    f.b.start();
    f.b.wait_for("a refusal", [](const auto& s) { return s.last_error.value_or("").contains("certificate"); });
    CHECK(f.b.made() == 0);
    CHECK(f.a.stop().ok());
    give(f.a, f.a.environment.at("LISTEN_ADDRESS"));
    f.a.start();
    f.b.wait_streaming(f.a);
    CHECK(f.b.query("SHOW primary_conninfo").contains("sslmode=verify-full"));
}

TEST_CASE("native: variables that cannot be obeyed are told all at once and change nothing") {
    NativeNode a("node-a");
    a.start();
    a.wait_ready(ha::Role::primary);
    CHECK(a.stop().ok());
    const auto before = a.volume();
    a.environment["REPLICATION_ROLE"] = "leader";
    a.environment["USE_PATRONI"] = "true";
    a.environment["POSTGRES_PASSWORD_FILE"] = a.root + "/nowhere";
    a.start();
    CHECK(a.wait_end().code == 2);
    for (const char* variable : {"REPLICATION_ROLE", "USE_PATRONI", "POSTGRES_PASSWORD_FILE"})
        CHECK(a.log().contains(std::string("\"variable\":\"") + variable + "\""));
    CHECK(a.volume() == before);
}
