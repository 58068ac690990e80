// What becomes of the control plane, its database and the Kubernetes API while instances live on.
#include "scenario.hpp"

#include <fmt/format.h>

#include <csignal>
#include <filesystem>

using namespace toygres;
using namespace toygres::test;
using namespace std::chrono_literals;

TEST_CASE(
    "the CMS is away while the primary dies: afterwards the standby takes over [patroni dcs_failsafe_mode; cnpg "
    "operator_unavailable_test 'Delete primary and operator concurrently']",
    "[failover]") {
    const auto& db = at_rest();
    Ledger ledger(db.conninfo());
    REQUIRE(ledger.goes_on());
    const auto [primary, epoch] = std::pair(db.primary(), db.epoch());
    db.strike_down(primary);
    db.stack().restart_cms("immediate");
    REQUIRE(eventually([&] { return db.epoch() == epoch + 1; }));
    db.scale(primary, 1);
    check_end(db, ledger);
}

TEST_CASE(
    "kill -9 of the server at every point of a failover: exactly one promotion, and it is completed [cnpg "
    "operator_unavailable_test; operator_ha_test]",
    "[failover]") {
    Stack stack;
    stack.up();
    const Replicated db(stack, "midway");
    for (const auto* point :
         {"commit.before/health:1", "commit.sent/health:2", "commit.after/health:3", "commit.before/health:4",
          "commit.sent/health:5", "effect.topology:1", "effect.topology:2", "effect.label:1", "effect.label:2"}) {
        INFO("killed at " << point);
        db.set_policy(quick_policy);
        REQUIRE(db.becomes_whole());
        const auto [primary, epoch, failovers] = std::tuple(db.primary(), db.epoch(), db.failovers());
        Ledger ledger(db.conninfo());
        REQUIRE(ledger.goes_on());
        stack.signal_server(SIGTERM);
        stack.wait_for_death();
        db.strike_down(primary);
        stack.up(point);
        // A promotion that is seen late takes one label: the second is the old primary's then.
        REQUIRE(eventually(
            [&] {
                if (!stack.server_runs()) return true;
                if (db.epoch() == epoch + 1 && db.state() != "failing_over") db.scale(primary, 1);
                return false;
            },
            120));
        stack.up();
        REQUIRE(eventually([&] { return db.epoch() == epoch + 1 && db.state() != "failing_over"; }));
        db.scale(primary, 1);
        check_end(db, ledger);
        CHECK(db.epoch() == epoch + 1);
        CHECK(db.failovers() == failovers + 1);
        CHECK(db.last_failover().at("status") == "completed");
        CHECK(ledger.acknowledged_by() == Strings{primary, db.primary()});
    }
}

TEST_CASE(
    "kill -9 of the server at every effect of a switchover: it is completed once, nothing lost [cnpg operator_ha_test; "
    "paf monitor_disabled]",
    "[failover]") {
    Stack stack;
    stack.up();
    const Replicated db(stack, "crossing");
    for (const auto* point : {"effect.topology:1", "effect.topology:2", "effect.topology:3", "effect.label:1",
                              "effect.label:2", "effect.label:3"}) {
        INFO("killed at " << point);
        db.set_policy(quick_policy);
        REQUIRE(db.becomes_whole());
        const auto [primary, epoch, failovers] = std::tuple(db.primary(), db.epoch(), db.failovers());
        Ledger ledger(db.conninfo());
        REQUIRE(ledger.goes_on());
        stack.signal_server(SIGTERM);
        stack.wait_for_death();
        stack.up(point);
        const auto asked = stack.call("POST", "/api/v1/instances/crossing/switchover", Json::object());
        INFO(asked.body);
        REQUIRE(asked.status == 202);
        stack.wait_for_death();
        stack.up();
        CHECK(stack.wait_operation(operation_of(asked)).at("state") == "succeeded");
        check_end(db, ledger);
        CHECK(db.primary() != primary);
        CHECK(db.epoch() == epoch + 1);
        CHECK(db.failovers() == failovers + 1);
        CHECK(db.last_failover().at("status") == "completed");
        CHECK(ledger.acknowledged_by() == Strings{primary, db.primary()});
    }
}

TEST_CASE(
    "the server and the primary are killed at once: after its restart the standby takes over [cnpg "
    "operator_unavailable_test 'Delete primary and operator concurrently']",
    "[failover]") {
    Scene s;
    s.db.strike_down(s.primary);
    s.db.stack().signal_server(SIGKILL);
    s.db.stack().wait_for_death();
    s.db.stack().up();
    REQUIRE(eventually([&] { return s.db.primary() == s.standby; }));
    s.db.scale(s.primary, 1);
    s.check_end(1);
}

TEST_CASE(
    "no server runs while the primary dies: when one does, the standby takes over [cnpg operator_unavailable_test "
    "'Scale "
    "down operator replicas to zero and delete primary'; paf replace_monitor]",
    "[failover]") {
    Scene s;
    s.db.stack().signal_server(SIGTERM);
    s.db.stack().wait_for_death();
    CHECK(s.ledger.goes_on(100));
    s.db.strike_down(s.primary);
    REQUIRE(eventually([&] { return s.db.agent(s.primary) == 0; }));
    CHECK(s.db.epoch() == s.epoch);
    CHECK(writable(s.db).empty());
    s.db.stack().up();
    REQUIRE(eventually([&] { return s.db.primary() == s.standby; }));
    s.db.scale(s.primary, 1);
    s.check_end(1);
}

TEST_CASE(
    "the CMS is down when the primary dies: nothing is decided without it; back, the standby takes over [patroni "
    "dcs_failsafe_mode; paf monitor_disabled]",
    "[failover]") {
    Scene s;
    s.db.stack().stop_cms();
    CHECK(s.ledger.goes_on(100));
    s.db.strike_down(s.primary);
    REQUIRE(eventually([&] { return s.db.agent(s.primary) == 0; }));
    s.db.stack().start_cms();
    REQUIRE(eventually([&] { return s.db.primary() == s.standby; }));
    s.db.scale(s.primary, 1);
    s.check_end(1);
}

TEST_CASE(
    "two servers, either of which is killed in the middle of a failover: the other completes it, once [cnpg "
    "operator_ha_test]",
    "[failover]") {
    Scene s;
    auto& stack = s.db.stack();
    const auto extra = stack.start_extra_server();
    REQUIRE(eventually(
        [&] { return stack.value("SELECT count(DISTINCT owner) FROM shards WHERE lease_until > now()") == "2"; }));
    for (const bool first : {true, false}) {
        const auto [gone, next, epoch] = std::tuple(s.db.primary(), s.db.standby(), s.db.epoch());
        s.db.strike_down(gone);
        REQUIRE(eventually([&] { return s.db.epoch() == epoch + 1; }));
        ::kill(first ? stack.server_pid() : extra.pid, SIGKILL);
        REQUIRE(eventually([&] { return s.db.primary() == next && s.db.state() != "failing_over"; }));
        s.db.scale(gone, 1);
        REQUIRE(s.db.becomes_whole());
        if (!first) continue;
        stack.wait_for_death();
        stack.up();
    }
    s.check_end(2);
}

TEST_CASE(
    "the embedded cluster is killed (API server, controllers, node): servers run on, and nothing is changed when it is "
    "back [zalando #354; patroni #3462; cnpg #10287]",
    "[failover]") {
    Scene s;
    Ledger direct(s.db.conninfo_of(s.primary));
    REQUIRE(direct.goes_on());
    const auto [a, b] = std::pair(s.db.postmaster(s.primary), s.db.postmaster(s.standby));
    const auto pid = s.db.stack().cluster_pid();
    ::kill(pid, SIGKILL);
    CHECK(direct.goes_on(500));
    REQUIRE(eventually([&] { return !std::filesystem::exists(fmt::format("/proc/{}/exe", pid)); }));
    s.db.stack().up();
    CHECK(eventually([&] { return s.db.stack().cluster_pid() != pid; }));
    direct.stop();
    s.check_end(0);
    CHECK(s.db.postmaster(s.primary) == a);
    CHECK(s.db.postmaster(s.standby) == b);
    CHECK(direct.missing(s.db.conninfo()) == "");
}

TEST_CASE(
    "the Kubernetes API stands still while the primary dies: thawed, the standby has taken over or the primary is back "
    "[patroni dcs_failsafe_mode; cnpg operator_unavailable_test]",
    "[failover]") {
    Scene s;
    {
        Frozen cluster({s.db.stack().cluster_pid()});
        const auto agent = s.db.agent(s.primary);
        signal_all({s.db.postmaster(s.primary), agent}, SIGKILL);
        REQUIRE(eventually([&] { return s.db.agent(s.primary) != agent; }));
    }
    s.check_end_after_one_at_most();
}

TEST_CASE(
    "the server is frozen beyond its lease while the primary dies: another one fails over, and the thawed one undoes "
    "nothing [cnpg operator_ha_test 'leader election'; patroni frozen_patroni]",
    "[failover]") {
    Scene s;
    auto& stack = s.db.stack();
    const auto extra = stack.start_extra_server();
    {
        Frozen server({stack.server_pid()});
        s.db.strike_down(s.primary);
        REQUIRE(eventually([&] { return s.db.primary() == s.standby && s.db.state() != "failing_over"; }));
        s.db.scale(s.primary, 1);
        REQUIRE(s.db.becomes_whole());
    }
    stack.up();
    ::kill(extra.pid, SIGKILL);
    s.check_end(1);
}

TEST_CASE(
    "the server is killed while a standby is being made: the creation is completed [cnpg operator_unavailable_test; "
    "paf "
    "ensure]",
    "[failover]") {
    Stack stack;
    for (const auto* point : {"effect.topology:1", "effect.label:1"}) {
        INFO("killed at " << point);
        stack.up(point);
        const auto name = fmt::format("made{}", std::string(point).find(':') + std::string(point).size());
        const auto operation = stack.create(name, {{"replication", true}});
        stack.wait_for_death();
        stack.up();
        CHECK(stack.wait_operation(operation).at("state") == "succeeded");
        CHECK(
            stack.value(fmt::format("SELECT r.state FROM replication r JOIN instances i ON i.id = r.instance_id WHERE "
                                    "i.user_name = '{}'",
                                    name)) == "synced");
        CHECK(stack.broken_invariants() == "");
        stack.signal_server(SIGTERM);
        stack.wait_for_death();
    }
}
