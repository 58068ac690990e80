#include "instance_fixture.hpp"
#include "support/catch.hpp"

#include <csignal>
#include <filesystem>

using namespace toygres;
using namespace toygres::test;

namespace {

namespace fs = std::filesystem;

// The primary writes what the replica never gets, and dies.
void diverge(InstanceFixture& f) {
    query(f.a(), "CREATE TABLE kept (n int)");
    f.wait_applied(f.b(), f.a());
    f.begin_epoch("");
    f.tell(f.b());
    f.b().wait_for("no receiver", [](const auto& s) { return s.epoch == 2 && !s.receiver; });
    query(f.a(), "INSERT INTO kept VALUES (666)");
    f.a().kill();
}

void promote_b(InstanceFixture& f) {
    f.topology.primary = f.b().member;
    f.tell();
    f.b().wait_for("the primary", [&](const auto& s) {
        return s.ready && s.role == ha::Role::primary && s.epoch == f.topology.epoch &&
               s.revision == f.topology.revision;
    });
}

void remove_wal(const AgentFixture& f) {
    for (const auto& entry : fs::directory_iterator(f.options.data_dir + "/pg_wal"))
        if (entry.is_regular_file()) fs::remove(entry.path());
}

}  // namespace

TEST_CASE("agent failover: a replica is promoted, and the killed primary comes back as its replica by a rewind") {
    InstanceFixture f;
    f.start();
    diverge(f);
    promote_b(f);
    CHECK(f.b().status()->timeline == 2);
    query(f.b(), "INSERT INTO kept VALUES (1)");
    f.a().start();
    f.wait_streaming(f.a(), f.b());
    f.wait_applied(f.a(), f.b());
    CHECK(query(f.a(), "SELECT n FROM kept") == "1\n");
    CHECK(f.a().log().contains("pg_rewind: Done!"));
    CHECK(f.a().status()->timeline == 2);
    CHECK(f.a().unfinished().empty());
}

TEST_CASE("agent failover: a switchover in good order needs no rewind, there and back") {
    InstanceFixture f;
    f.start();
    query(f.a(), "CREATE TABLE kept AS SELECT 1 AS n");
    AgentFixture* from = &f.a();
    AgentFixture* to = &f.b();
    for (int round = 0; round < 2; ++round) {
        f.settings(*from).fenced = true;
        f.tell();
        const auto down = from->wait_for("fenced", [&](const auto& s) {
            return s.state == ha::AgentState::waiting && s.revision == f.topology.revision;
        });
        CHECK(down.role == ha::Role::none);
        CHECK(down.clean_shutdown == true);
        CHECK(from->log().contains("\"action\":\"checkpoint\""));
        REQUIRE(down.flush_lsn);
        // The shutdown checkpoint has come across.
        REQUIRE(eventually(
            [&] { return query(*to, "SELECT pg_last_wal_replay_lsn() > '" + *down.flush_lsn + "'") == "t\n"; }));
        f.settings(*from).fenced.reset();
        f.begin_epoch("");
        f.tell();
        f.wait_obeyed(*to);
        f.topology.primary = to->member;
        f.tell();
        f.wait_streaming(*from, *to);
        query(*to, "INSERT INTO kept VALUES (2)");
        f.wait_applied(*from, *to);
        CHECK(from->log().contains("no rewind required"));
        CHECK_FALSE(from->log().contains("pg_rewind: Done!"));
        CHECK(to->status()->timeline == 2 + round);
        std::swap(from, to);
    }
    CHECK(query(f.a(), "SELECT count(*) FROM kept") == "3\n");
}

TEST_CASE("agent failover: a promoted member has the synchronous standbys that the topology gives it") {
    InstanceFixture f;
    f.start();
    query(f.a(), "CREATE TABLE kept (n int)");
    f.wait_applied(f.b(), f.a());
    f.a().kill();
    f.begin_epoch("");
    f.tell();
    f.wait_obeyed(f.b());
    f.settings(f.b()).synchronous_standby_names = ha::synchronous_names({f.a().member}, 2);
    promote_b(f);
    const auto commit = f.b().begin_psql("INSERT INTO kept VALUES (1)");
    REQUIRE(eventually([&] { return waits_for_standby(f.b()); }));
    f.a().start();
    f.wait_streaming(f.a(), f.b());
    REQUIRE(eventually([&] { return commit->poll().has_value(); }));
    CHECK(commit->poll()->ok());
    query(f.b(), "INSERT INTO kept VALUES (2)");
}

TEST_CASE("agent failover: a replica that is down is started and promoted") {
    InstanceFixture f;
    f.start();
    CHECK(f.b().stop().ok());
    f.a().kill();
    f.begin_epoch("");
    f.b().start();
    promote_b(f);
    CHECK(f.b().status()->timeline == 2);
}

TEST_CASE("agent failover: kill -9 in the middle of a promotion, and it is ended by the next agent") {
    InstanceFixture f;
    f.start();
    query(f.a(), "CREATE TABLE kept AS SELECT 42 AS n");
    f.wait_applied(f.b(), f.a());
    f.a().kill();
    // A postmaster that does not get to it.
    const auto postmaster = f.b().postmaster_pid();
    REQUIRE(::kill(postmaster, SIGSTOP) == 0);
    f.begin_epoch(f.b().member);
    f.tell();
    const bool begun = eventually([&] { return f.b().note().contains("promotion"); });
    INFO(f.b().note() << f.b().log());
    REQUIRE(begun);
    f.b().kill();
    REQUIRE(::kill(postmaster, SIGKILL) == 0);
    f.b().start();
    f.b().wait_for("the primary", [](const auto& s) { return s.ready && s.role == ha::Role::primary; });
    CHECK(query(f.b(), "SELECT n FROM kept") == "42\n");
    CHECK(eventually([&] { return !f.b().note().contains("promotion"); }));
}

TEST_CASE("agent failover: a former primary waits untouched while the new one cannot be reached") {
    InstanceFixture f;
    f.start();
    diverge(f);
    promote_b(f);
    CHECK(f.b().stop().ok());
    f.a().start();
    f.a().wait_for("a try", [](const auto& s) { return s.last_error.has_value(); });
    CHECK_FALSE(fs::exists(f.a().options.data_dir + "/standby.signal"));
    CHECK_FALSE(f.a().note().contains("rewind"));
    f.b().start();
    f.wait_streaming(f.a(), f.b());
    CHECK(f.a().log().contains("pg_rewind: Done!"));
}

TEST_CASE("agent failover: a former primary whose epoch has no primary stays down") {
    InstanceFixture f;
    f.start();
    f.begin_epoch("");
    f.tell();
    const auto status = f.a().wait_for("down", [](const auto& s) { return s.epoch == 2; });
    CHECK(status.role == ha::Role::none);
    CHECK(status.state == ha::AgentState::waiting);
    f.wait_obeyed(f.b());
    f.topology.primary = f.a().member;
    f.tell();
    f.wait_streaming(f.b(), f.a());
}

TEST_CASE("agent failover: kill -9 in the middle of a rewind leaves data that is cloned, not started") {
    InstanceFixture f;
    f.start();
    diverge(f);
    promote_b(f);
    f.a().start();
    REQUIRE(eventually([&] { return f.a().note().contains("\"rewind\""); }));
    f.a().kill();
    f.a().start();
    f.wait_streaming(f.a(), f.b());
    f.wait_applied(f.a(), f.b());
    CHECK(query(f.a(), "SELECT count(*) FROM kept") == "0\n");
    CHECK_FALSE(f.a().note().contains("\"rewind\""));
    CHECK(f.a().unfinished().empty());
}

TEST_CASE("agent failover: data that cannot be rewound is cloned afresh, by itself") {
    InstanceFixture f;
    f.start();
    diverge(f);
    promote_b(f);
    remove_wal(f.a());
    f.a().start();
    f.wait_streaming(f.a(), f.b());
    CHECK(f.a().log().contains("cannot_rewind"));
    f.wait_applied(f.a(), f.b());
    CHECK(query(f.a(), "SELECT count(*) FROM kept") == "0\n");
    CHECK(f.a().unfinished().empty());
}

TEST_CASE("agent failover: a primary that does not stop is killed, and is not reported gone before it is") {
    InstanceFixture f(1);
    f.a().extra_arguments = {"--lost-reign-timeout=500ms"};
    f.tell();
    f.a().start();
    f.a().wait_ready();
    const auto agent = f.a().agent_pid();
    // A backend that hears no signal, as one that hangs in the kernel.
    const auto backend =
        std::stoi(query(f.a(), "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'"));
    REQUIRE(::kill(backend, SIGSTOP) == 0);
    f.topology.members["db-0a1b2c3d-2"] = {};
    f.begin_epoch("db-0a1b2c3d-2");
    f.tell();
    const auto down = f.a().wait_for("down", [](const auto& s) { return s.role == ha::Role::none; });
    CHECK(down.epoch == 1);
    REQUIRE(::kill(backend, SIGKILL) == 0);
    f.wait_obeyed(f.a());
    CHECK(f.a().agent_pid() == agent);
}

TEST_CASE("agent failover: told to stop, a primary serves on, hands over when it is told to, and stays to be asked") {
    InstanceFixture f;
    f.settings(f.a()).synchronous_standby_names = ha::synchronous_names({f.b().member}, 1);
    f.start();
    query(f.a(), "CREATE TABLE kept (n int)");
    REQUIRE(::kill(f.a().agent_pid(), SIGTERM) == 0);
    f.a().wait_for("told", [](const auto& s) { return s.stop_requested.value_or(false) && s.ready && s.peers; });
    query(f.a(), "INSERT INTO kept VALUES (1)");
    f.settings(f.a()).fenced = true;
    f.tell();
    const auto down = f.a().wait_for("fenced", [&](const auto& s) {
        return s.state == ha::AgentState::waiting && s.revision == f.topology.revision;
    });
    CHECK(down.clean_shutdown == true);
    REQUIRE(down.flush_lsn);
    REQUIRE(eventually(
        [&] { return query(f.b(), "SELECT pg_last_wal_replay_lsn() > '" + *down.flush_lsn + "'") == "t\n"; }));
    CHECK(f.a().running());
    f.settings(f.a()) = {};
    f.begin_epoch(f.b().member);
    f.tell();
    REQUIRE(eventually([&] { return !f.a().running(); }));
    f.b().wait_for("the primary", [](const auto& s) { return s.ready && s.role == ha::Role::primary; });
    CHECK(query(f.b(), "SELECT n FROM kept") == "1\n");
}

TEST_CASE(
    "agent failover: told to stop, a primary that nobody tells to hand over stops in time; without a heir at once") {
    InstanceFixture f;
    f.a().extra_arguments.emplace_back("--hand-over-timeout=1s");
    f.settings(f.a()).synchronous_standby_names = ha::synchronous_names({f.b().member}, 1);
    f.start();
    CHECK(f.a().stop().ok());
    CHECK(f.a().log().contains("serves on until a standby takes over"));
    f.a().extra_arguments.clear();
    f.a().start();
    f.wait_streaming(f.b(), f.a());
    CHECK(f.b().stop().ok());
    const auto began = std::chrono::steady_clock::now();
    CHECK(f.a().stop().ok());
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(15));
}
