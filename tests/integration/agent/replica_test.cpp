#include "instance_fixture.hpp"
#include "support/catch.hpp"

#include <csignal>

using namespace toygres;
using namespace toygres::test;

TEST_CASE("agent replica: clones the primary and streams from it under its name of the epoch") {
    InstanceFixture f;
    f.tell();
    f.a().start();
    f.a().wait_ready();
    query(f.a(), "CREATE TABLE kept AS SELECT 42 AS n");
    f.b().start();
    f.wait_streaming(f.b(), f.a());
    CHECK(query(f.b(), "SELECT n FROM kept") == "42\n");
    CHECK_FALSE(f.b().psql("CREATE TABLE no (n int)", f.b().password).status.ok());
    query(f.a(), "INSERT INTO kept VALUES (43)");
    f.wait_applied(f.b(), f.a());
    CHECK(query(f.b(), "SELECT max(n) FROM kept") == "43\n");

    const auto status = *f.b().status();
    CHECK(status.epoch == 1);
    CHECK(status.revision == f.topology.revision);
    CHECK(status.timeline == 1);
    CHECK(status.receive_lsn);
    CHECK(status.replay_lsn);
    CHECK(status.receiver->sender_host.starts_with(f.a().member + "-0."));
    CHECK(status.receiver->silent_ms);
    CHECK(status.synchronous_standby_names == "");
    CHECK(f.a().status()->system_identifier == status.system_identifier);
    CHECK_FALSE(query(f.b(), "SHOW primary_conninfo").contains("password="));
    CHECK_FALSE(f.b().log().contains(f.b().secrets.replication_password.reveal()));
    CHECK(f.b().unfinished().empty());
}

TEST_CASE("agent replica: waits for a primary that comes later") {
    InstanceFixture f;
    f.tell();
    f.b().start();
    f.b().wait_for("a try", [](const auto& s) { return s.last_error.has_value(); });
    f.a().start();
    f.wait_streaming(f.b(), f.a());
}

TEST_CASE("agent replica: a commit waits for the synchronous standby that the topology names") {
    InstanceFixture f;
    f.start();
    query(f.a(), "CREATE TABLE kept (n int)");
    f.settings(f.a()).synchronous_standby_names = ha::synchronous_names({f.b().member}, 1);
    f.tell();
    f.wait_obeyed(f.a());
    CHECK(f.a().status()->synchronous_standby_names == ha::synchronous_names({f.b().member}, 1));
    query(f.a(), "INSERT INTO kept VALUES (1)");
    CHECK(query(f.a(), "SELECT sync_state FROM pg_stat_replication") == "quorum\n");
    CHECK(query(f.b(), "SHOW synchronous_standby_names") == "\n");

    CHECK(f.b().stop().ok());
    const auto commit = f.a().begin_psql("INSERT INTO kept VALUES (2)");
    REQUIRE(eventually([&] { return waits_for_standby(f.a()); }));
    CHECK_FALSE(commit->poll());
    f.b().start();
    f.wait_streaming(f.b(), f.a());
    REQUIRE(eventually([&] { return commit->poll().has_value(); }));
    CHECK(commit->poll()->ok());
    query(f.a(), "INSERT INTO kept VALUES (3)");
}

TEST_CASE("agent replica: follows a new epoch of the same primary without a restart") {
    InstanceFixture f;
    f.start();
    const auto before = *f.b().status();
    f.begin_epoch(f.a().member);
    f.tell();
    f.wait_obeyed(f.a());
    f.wait_obeyed(f.b());
    f.wait_streaming(f.b(), f.a());
    CHECK(f.b().status()->postgres_started_at == before.postgres_started_at);
}

TEST_CASE("agent replica: without a primary it receives from nobody and stays up") {
    InstanceFixture f;
    f.start();
    const auto before = *f.b().status();
    f.begin_epoch("");
    f.tell(f.b());
    f.wait_obeyed(f.b());
    const auto status = f.b().wait_for("no receiver", [](const auto& s) { return !s.receiver; });
    CHECK(status.ready);
    CHECK(status.role == ha::Role::replica);
    CHECK(status.timeline == 1);
    CHECK(status.postgres_started_at == before.postgres_started_at);
    // And so after a start.
    CHECK(f.b().stop().ok());
    f.b().start();
    const auto again = f.b().wait_ready();
    CHECK_FALSE(again.receiver);
    CHECK(again.receive_lsn);
    CHECK(again.receive_lsn == again.replay_lsn);
}

TEST_CASE("agent replica: comes back by itself and is not cloned again") {
    InstanceFixture f;
    f.start();
    const auto clones = [&] {
        std::size_t count = 0;
        const auto log = f.b().log();
        for (auto at = log.find("\"data.made\""); at != std::string::npos; at = log.find("\"data.made\"", at + 1))
            ++count;
        return count;
    };
    CHECK(clones() == 1);
    REQUIRE(::kill(f.b().postmaster_pid(), SIGKILL) == 0);
    f.b().wait_for("restarted", [](const auto& s) { return s.restarts == 1 && s.ready; });
    f.wait_streaming(f.b(), f.a());
    f.b().kill();
    f.b().start();
    f.wait_streaming(f.b(), f.a());
    CHECK(f.b().stop().ok());
    CHECK_FALSE(f.b().running());
    f.b().start();
    f.wait_streaming(f.b(), f.a());
    CHECK(clones() == 1);
}

TEST_CASE("agent replica: a revision below the one obeyed starts nothing after a restart") {
    InstanceFixture f(1);
    f.tell();
    f.a().start();
    f.a().wait_ready();
    const auto old = f.topology;
    f.settings(f.a()).synchronous_standby_names = ha::synchronous_names({"db-0a1b2c3d-2"}, 1);
    f.tell();
    f.wait_obeyed(f.a());
    CHECK(f.a().stop().ok());
    f.a().write_topology(old);
    f.a().start();
    const auto status =
        f.a().wait_for("a refusal", [](const auto& s) { return s.reason && s.reason->contains("was obeyed before"); });
    CHECK(status.role == ha::Role::none);
    CHECK(status.revision == 0);
    f.tell();
    f.wait_obeyed(f.a());
    CHECK(f.a().wait_ready().synchronous_standby_names == ha::synchronous_names({"db-0a1b2c3d-2"}, 1));
}
