// What becomes of the primary: its server, its agent, its pod, its volume.
#include "base/file.hpp"
#include "scenario.hpp"

#include <fmt/format.h>

#include <csignal>
#include <filesystem>

using namespace toygres;
using namespace toygres::test;
using namespace std::chrono_literals;

namespace {

// As the servers of that pod know it.
int pid_in_pod(int pid) {
    const auto status = read_file(fmt::format("/proc/{}/status", pid)).value_or("");
    const auto line = status.substr(std::min(status.find("NSpid:"), status.size()));
    const auto own = line.substr(0, line.find('\n'));
    return std::atoi(own.substr(std::min(own.rfind('\t'), own.size() - 1) + 1).c_str());
}

}  // namespace

TEST_CASE(
    "kill -9 of the primary's postmaster: restarted in place in its epoch, nothing lost [patroni recovery 'timeline is "
    "not incremented when primary is started after crash']",
    "[failover]") {
    const auto& db = at_rest();
    db.set_policy({{"crash_restart_grace_ms", 20'000}});
    Ledger ledger(db.conninfo());
    REQUIRE(ledger.goes_on());
    const auto [primary, epoch, postmaster] = std::tuple(db.primary(), db.epoch(), db.postmaster(db.primary()));
    const auto timeline = db.value("SELECT timeline_id FROM pg_control_checkpoint()");
    ::kill(postmaster, SIGKILL);
    REQUIRE(eventually([&] { return db.postmaster(primary) != postmaster; }));
    check_end(db, ledger);
    WARN("no row was acknowledged for " << ledger.longest_gap().count() << " ms");
    CHECK(db.primary() == primary);
    CHECK(db.epoch() == epoch);
    CHECK(db.value("SELECT timeline_id FROM pg_control_checkpoint()") == timeline);
    CHECK(ledger.acknowledged_by() == Strings{primary});
}

TEST_CASE("kill -9 of both postmasters at once: nothing lost, at most one failover [paf multi_ifdown]", "[failover]") {
    const auto& db = at_rest();
    Ledger ledger(db.conninfo());
    REQUIRE(ledger.goes_on());
    const auto epoch = db.epoch();
    const auto a = db.postmaster(db.primary());
    const auto b = db.postmaster(db.standby());
    ::kill(a, SIGKILL);
    ::kill(b, SIGKILL);
    REQUIRE(eventually([&] { return !std::filesystem::exists(fmt::format("/proc/{}", a)); }));
    check_end(db, ledger);
    CHECK(db.epoch() <= epoch + 1);
}

TEST_CASE(
    "the primary's pod is deleted: it comes back or is replaced, nothing lost [cnpg failover_test 'reacts to "
    "primary failure'; zalando test_node_readiness_label]",
    "[failover]") {
    const auto& db = at_rest();
    Ledger ledger(db.conninfo());
    REQUIRE(ledger.goes_on());
    const auto [primary, epoch, agent] = std::tuple(db.primary(), db.epoch(), db.agent(db.primary()));
    db.delete_pod(primary);
    REQUIRE(eventually([&] { return db.agent(primary) != agent; }));
    check_end(db, ledger);
    CHECK(db.epoch() <= epoch + 1);
}

TEST_CASE("kill -9 of the primary's agent: the pod goes with it and comes back, nothing lost [patroni frozen_patroni]",
          "[failover]") {
    const auto& db = at_rest();
    Ledger ledger(db.conninfo());
    REQUIRE(ledger.goes_on());
    const auto [primary, epoch, agent] = std::tuple(db.primary(), db.epoch(), db.agent(db.primary()));
    ::kill(agent, SIGKILL);
    REQUIRE(eventually([&] { return db.agent(primary) != agent; }));
    check_end(db, ledger);
    CHECK(db.epoch() <= epoch + 1);
}

TEST_CASE(
    "the primary's pod is gone for good: the standby takes over by itself; scaled back, the old one follows [cnpg "
    "failover_test 'reacts to primary failure'; patroni basic_replication 'check failover in synchronous mode']",
    "[failover]") {
    const auto& db = at_rest();
    Ledger ledger(db.conninfo());
    REQUIRE(ledger.goes_on());
    const auto [primary, standby, epoch] = std::tuple(db.primary(), db.standby(), db.epoch());
    ledger.forget_gaps();
    db.strike_down(primary);
    REQUIRE(eventually([&] { return db.primary() == standby; }));
    CHECK(ledger.goes_on());
    WARN("no row was acknowledged for " << ledger.longest_gap().count() << " ms");
    CHECK(db.epoch() == epoch + 1);
    REQUIRE(eventually([&] { return db.last_failover().at("status") == "completed"; }));
    CHECK(db.last_failover() == Json{{"kind", "automatic"},
                                     {"status", "completed"},
                                     {"old_primary", primary},
                                     {"new_primary", standby},
                                     {"epoch", epoch + 1},
                                     {"data_loss_bytes", 0}});
    CHECK(ledger.acknowledged_by() == Strings{primary, standby});
    db.scale(primary, 1);
    check_end(db, ledger);
    CHECK(db.standby() == primary);
}

TEST_CASE(
    "the primary's server is frozen: the standby takes over; thawed, it acknowledges nothing and follows [cnpg "
    "failover_test (SIGSTOP); patroni frozen_patroni; jepsen process-pause]",
    "[failover]") {
    const auto& db = at_rest();
    Ledger ledger(db.conninfo());
    REQUIRE(ledger.goes_on());
    const auto [primary, standby, epoch] = std::tuple(db.primary(), db.standby(), db.epoch());
    const auto frozen = db.server_processes(primary);
    ledger.forget_gaps();
    for (const auto pid : frozen) ::kill(pid, SIGSTOP);
    REQUIRE(eventually([&] { return db.primary() == standby; }));
    CHECK(ledger.goes_on());
    WARN("no row was acknowledged for " << ledger.longest_gap().count() << " ms");
    CHECK(ledger.longest_gap() < 20s);
    for (const auto pid : frozen) ::kill(pid, SIGCONT);
    check_end(db, ledger);
    CHECK(db.epoch() == epoch + 1);
    CHECK(ledger.acknowledged_by() == Strings{primary, standby});
}

TEST_CASE(
    "the primary crashes again and again: each time it is restarted in place, on its timeline and in its epoch "
    "[patroni "
    "recovery 'timeline is not incremented'; paf ensure]",
    "[failover]") {
    Scene s;
    s.db.set_policy({{"crash_restart_grace_ms", 20'000}});
    const auto timeline = s.db.value("SELECT timeline_id FROM pg_control_checkpoint()");
    for (int crash = 0; crash < 3; ++crash) {
        const auto before = s.db.server_processes(s.primary);
        ::kill(before.front(), SIGKILL);
        REQUIRE(eventually([&] {
            const auto next = s.db.postmaster(s.primary);
            return next != 0 && std::ranges::find(before, next) == before.end();
        }));
        CHECK(s.ledger.goes_on());
    }
    s.check_end(0);
    CHECK(s.db.value("SELECT timeline_id FROM pg_control_checkpoint()") == timeline);
}

TEST_CASE(
    "a backend of the primary is killed: the server restarts in place, nothing lost [patroni recovery; pgo "
    "high-availability]",
    "[failover]") {
    Scene s;
    s.db.set_policy({{"crash_restart_grace_ms", 20'000}});
    const auto before = s.db.postmaster(s.primary);
    pqxx::connection client(s.db.conninfo_of(s.primary));
    const auto pids = s.db.server_processes(s.primary);
    const auto backend = std::ranges::find_if(pids, [&](int pid) { return pid_in_pod(pid) == client.backendpid(); });
    REQUIRE(backend != pids.end());
    ::kill(*backend, SIGKILL);
    REQUIRE(eventually([&] { return s.db.postmaster(s.primary) != before; }));
    s.check_end(0);
}

TEST_CASE(
    "a setting with which the primary cannot start again: the standby takes over, and the old primary follows without "
    "it [cnpg configuration_update_test; patroni recovery 'immediate failover when master_start_timeout=0']",
    "[failover]") {
    Scene s;
    s.db.value_at(s.primary, "ALTER SYSTEM SET wal_level = 'minimal'");
    ::kill(s.db.postmaster(s.primary), SIGKILL);
    REQUIRE(eventually([&] { return s.db.primary() == s.standby; }));
    s.check_end(1);
    CHECK(setting(s.db, s.primary, "wal_level") == "replica");
}

TEST_CASE(
    "after a failover the new primary crashes before anybody follows it: it restarts in place, nobody else is promoted "
    "[paf demote_timeout_wait_primary_deadlock; patroni frozen_patroni 'race']",
    "[failover]") {
    Scene s;
    s.db.strike_down(s.primary);
    REQUIRE(eventually([&] { return s.db.primary() == s.standby && s.db.state() == "rejoining"; }));
    ::kill(s.db.postmaster(s.standby), SIGKILL);
    CHECK(s.ledger.goes_on());
    s.db.scale(s.primary, 1);
    s.check_end(1);
}

TEST_CASE(
    "the primary and the standby fail over to each other five times: each time nothing is lost [cnpg failover_test; "
    "patroni 'failover back and forth']",
    "[failover]") {
    Scene s;
    for (int turn = 1; turn <= 5; ++turn) {
        const auto [gone, next] = std::pair(s.db.primary(), s.db.standby());
        s.db.strike_down(gone);
        REQUIRE(eventually([&] { return s.db.primary() == next; }));
        s.db.scale(gone, 1);
        REQUIRE(s.db.becomes_whole());
    }
    s.check_end(5);
}
