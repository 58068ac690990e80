#include "agent_fixture.hpp"
#include "native_fixture.hpp"
#include "support/catch.hpp"

#include <csignal>
#include <filesystem>

using namespace toygres;
using namespace toygres::test;

namespace fs = std::filesystem;

TEST_CASE("native: promoted by hand, and the old primary comes back as its replica, rewound") {
    NativePair f;
    f.start();
    f.a.query("CREATE TABLE kept AS SELECT 1 AS n");
    f.wait_applied();
    CHECK_FALSE(f.a.command("promote").status.ok());
    CHECK(f.b.stop().ok());
    f.a.query("INSERT INTO kept VALUES (2)");  // which nobody else has
    f.a.kill();
    f.b.start();
    f.b.wait_ready(ha::Role::replica);

    const auto promoted = f.b.command("promote");
    INFO(promoted.errors << f.b.log());
    REQUIRE(promoted.status.ok());
    CHECK(promoted.output.contains("REPLICATION_ROLE=primary"));
    f.b.query("INSERT INTO kept VALUES (3)");
    CHECK(f.b.query("SHOW primary_conninfo") == "\n");

    // Its environment is of before.
    CHECK(f.b.stop().ok());
    const auto before = f.b.volume();
    f.b.start();
    CHECK(f.b.wait_end().code == 2);
    CHECK(f.b.log().contains("set REPLICATION_ROLE=primary to go on with it"));
    CHECK(f.b.volume() == before);

    f.b.be_primary();
    f.b.start();
    f.b.wait_ready(ha::Role::primary);
    f.a.be_replica_of(f.b);
    f.a.start();
    f.a.wait_streaming(f.b);
    CHECK(f.a.query("SELECT n FROM kept ORDER BY n") == "1\n3\n");
    CHECK(f.a.log().contains("\"work\":\"rewind\""));
    CHECK_FALSE(f.a.log().contains("\"work\":\"clone\""));
}

TEST_CASE("native: roles are exchanged by the variables of both nodes") {
    NativePair f;
    f.start();
    f.a.query("CREATE TABLE kept AS SELECT 1 AS n");
    f.wait_applied();
    CHECK(f.a.stop().ok());
    CHECK(f.b.stop().ok());
    f.b.be_primary();
    f.b.environment["SYNCHRONOUS_STANDBY_NAMES"] = "node-a";
    f.a.be_replica_of(f.b);
    f.b.start();
    f.b.wait_ready(ha::Role::primary);
    f.a.start();
    f.a.wait_streaming(f.b);
    f.b.query("INSERT INTO kept VALUES (2)");
    CHECK(f.b.query("SELECT timeline_id FROM pg_control_checkpoint()") == "2\n");
    CHECK(f.b.query("SELECT sync_state FROM pg_stat_replication") == "quorum\n");
    CHECK_FALSE(f.a.log().contains("\"work\":\"clone\""));
}

TEST_CASE("native: pg_promote() is obeyed too, and what was promoted follows nobody older unless it is told to") {
    NativePair f;
    f.start();
    f.b.query("SELECT pg_promote()");
    f.b.wait_ready(ha::Role::primary);
    REQUIRE(eventually([&] { return f.b.query("SHOW primary_conninfo") == "\n"; }));
    f.b.query("CREATE TABLE only_here (n int)");
    // The agent starts it again as what it is.
    REQUIRE(::kill(f.b.postmaster_pid(), SIGKILL) == 0);
    f.b.wait_for("started again", [](const auto& s) { return s.restarts == 1 && s.ready; });
    f.b.query("INSERT INTO only_here VALUES (1)");
    CHECK(f.b.stop().ok());
    f.b.be_primary();
    f.b.start();
    f.b.wait_ready(ha::Role::primary);
    CHECK(f.b.stop().ok());

    // a was never promoted: to follow it would be to lose the table.
    f.b.be_replica_of(f.a);
    f.b.start();
    const auto refused =
        f.b.wait_for("a refusal", [](const auto& s) { return s.reason && s.reason->contains("RECLONE=true"); });
    CHECK(refused.role == ha::Role::none);
    CHECK(refused.last_error.value_or("").contains("it is the older one"));
    CHECK(f.b.stop().ok());
    f.b.be_primary();
    f.b.start();
    f.b.wait_ready(ha::Role::primary);
    CHECK(f.b.query("SELECT n FROM only_here") == "1\n");
    CHECK(f.b.stop().ok());

    f.b.be_replica_of(f.a);
    f.b.environment["RECLONE"] = "true";
    const auto made = f.b.made();
    f.b.start();
    f.b.wait_streaming(f.a);
    CHECK(f.b.made() == made + 1);
    CHECK_FALSE(f.b.psql("SELECT n FROM only_here").status.ok());
    // Once is enough, as long as the variable stands.
    CHECK(f.b.stop().ok());
    f.b.start();
    f.b.wait_streaming(f.a);
    CHECK(f.b.made() == made + 1);
}

TEST_CASE("native: a replica that its primary cannot serve any more keeps its data until it is told otherwise") {
    NativePair f;
    f.b.arguments = {"native", "--follow-timeout=1500ms"};
    f.start();
    f.a.query("CREATE TABLE kept (n int)");
    for (const char* setting : {"wal_keep_size = 0", "max_slot_wal_keep_size = '1MB'", "max_wal_size = '64MB'"})
        f.a.query(std::string("ALTER SYSTEM SET ") + setting);
    f.a.query("SELECT pg_reload_conf()");
    f.wait_applied();
    CHECK(f.b.stop().ok());
    for (int n = 0; n < 4; ++n) {
        f.a.query("INSERT INTO kept VALUES (1)");
        f.a.query("SELECT pg_switch_wal()");
    }
    f.a.query("CHECKPOINT");
    REQUIRE(f.a.query("SELECT wal_status FROM pg_replication_slots") == "lost\n");

    f.b.start();
    const auto stale =
        f.b.wait_for("its plight", [](const auto& s) { return s.reason && s.reason->contains("RECLONE=true"); });
    CHECK(stale.role == ha::Role::replica);
    CHECK(f.b.query("SELECT count(*) FROM kept") == "0\n");
    CHECK(f.b.made() == 2);  // the first copy, and a rewind that found nothing to do
    CHECK(f.b.stop().ok());
    f.b.environment["RECLONE"] = "true";
    f.b.start();
    f.b.wait_streaming(f.a);
    f.wait_applied();
    CHECK(f.b.query("SELECT count(*) FROM kept") == "4\n");
}

TEST_CASE("native: data of another instance is not touched") {
    NativeNode a{"node-a"};
    NativeNode c{"node-c"};
    a.start();
    c.start();
    a.wait_ready(ha::Role::primary);
    c.wait_ready(ha::Role::primary);
    c.query("CREATE TABLE only_here (n int)");
    CHECK(c.stop().ok());
    c.be_replica_of(a);
    c.start();
    const auto refused =
        c.wait_for("a refusal", [](const auto& s) { return s.reason && s.reason->contains("RECLONE=true"); });
    CHECK(refused.last_error.value_or("").contains("the data is of system"));
    CHECK(c.stop().ok());
    c.be_primary();
    c.start();
    c.wait_ready(ha::Role::primary);
    CHECK(c.query("SELECT count(*) FROM only_here") == "0\n");
}

TEST_CASE("native: with the mode switched off a replica becomes an instance by itself, a primary keeps what it has") {
    NativePair f;
    f.start();
    f.a.query("CREATE TABLE kept AS SELECT 1 AS n");
    f.wait_applied();
    for (auto* const node : {&f.b, &f.a}) {
        CHECK(node->stop().ok());
        for (const char* name : {"HA_MODE", "REPLICATION_ROLE", "PRIMARY_HOST"}) node->environment[name] = "";
        node->start();
        node->wait_ready(ha::Role::primary);
        node->query("INSERT INTO kept VALUES (2)");
        CHECK(node->query("SELECT n FROM kept ORDER BY n") == "1\n2\n");
        CHECK_FALSE(fs::exists(node->data_dir + "/standby.signal"));
        REQUIRE(eventually([&] { return node->query("SHOW primary_conninfo") == "\n"; }));
        CHECK(node->made() == 1);
    }
}
