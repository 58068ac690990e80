// A primary that is told to stop (its node is drained, its pod evicted or deleted, its StatefulSet scaled to 0) hands
// over instead of dying.
#include "scenario.hpp"
#include "support/kubectl.hpp"

#include <fmt/format.h>

#include <csignal>

using namespace toygres;
using namespace toygres::test;
using namespace std::chrono_literals;

namespace {

// Takes the node's pods of that member away as an operator does; the node is open again afterwards.
Ran drain(const Replicated& db, const std::string& member) {
    const auto kubectl = fmt::format("KUBECONFIG={}/cluster/kubeconfig {}", db.stack().directory, kubectl_program());
    auto drained = shell(fmt::format(
        "{} drain local --pod-selector=toygres.io/member={} --delete-emptydir-data --timeout=120s", kubectl, member));
    const auto opened = shell(kubectl + " uncordon local");
    INFO(opened.output);
    CHECK(opened.code == 0);
    return drained;
}

std::string reason_of_last_failover(const Replicated& db) {
    return db.stack().value(fmt::format(
        "SELECT reason FROM failovers f JOIN instances i ON i.id = f.instance_id WHERE i.k8s_name = '{}' ORDER BY "
        "started_at DESC LIMIT 1",
        db.k8s_name()));
}

void check_handed_over(Scene& s) {
    CHECK(s.db.primary() == s.standby);
    CHECK(s.db.last_failover() == Json{{"kind", "switchover"},
                                       {"status", "completed"},
                                       {"old_primary", s.primary},
                                       {"new_primary", s.standby},
                                       {"epoch", s.epoch + 1},
                                       {"data_loss_bytes", 0}});
    CHECK(reason_of_last_failover(s.db).contains("was told to stop"));
}

}  // namespace

TEST_CASE(
    "the primary's node is drained under load: the standby takes over before the pod is gone, once, and nothing is "
    "lost [cnpg drain_node_test; zalando test_node_readiness_label]",
    "[failover][drain]") {
    Scene s(at_rest(), {.writers = 4});
    const auto agent = s.db.agent(s.primary);
    s.ledger.forget_gaps();
    const auto drained = drain(s.db, s.primary);
    INFO(drained.output);
    CHECK(drained.code == 0);
    CHECK(s.ledger.goes_on());
    WARN("no row was acknowledged for " << s.ledger.longest_gap().count() << " ms");
    CHECK(s.ledger.longest_gap() < 10s);
    CHECK(s.db.agent(s.primary) != agent);
    s.check_end(1);
    check_handed_over(s);
}

TEST_CASE("the primary's pod is deleted while the standby is whole: it hands over [cnpg switchover_test]",
          "[failover][drain]") {
    Scene s;
    s.ledger.forget_gaps();
    s.db.delete_pod(s.primary);
    REQUIRE(eventually([&] { return s.db.primary() == s.standby; }));
    CHECK(s.ledger.goes_on());
    WARN("no row was acknowledged for " << s.ledger.longest_gap().count() << " ms");
    s.check_end(1);
    check_handed_over(s);
}

TEST_CASE(
    "a primary that is scaled to 0 hands over, once, and follows when it is scaled back [cnpg switchover_test; pgo "
    "shutdown]",
    "[failover][drain]") {
    Scene s;
    // The same soon after a failover: a hand-over is none.
    s.db.set_policy({{"cooldown_ms", 600'000}});
    s.db.scale(s.primary, 0);
    REQUIRE(eventually([&] { return s.db.primary() == s.standby && s.db.agent(s.primary) == 0; }));
    CHECK(s.ledger.goes_on());
    s.db.scale(s.primary, 1);
    s.check_end(1);
    check_handed_over(s);
}

TEST_CASE("of two members one is evicted at a time [cnpg 'PodDisruptionBudget'; zalando pod_disruption_budget]",
          "[failover][drain]") {
    Scene s;
    REQUIRE(eventually([&] { return s.db.healthy_by_budget() == 2; }));
    const auto agent = s.db.agent(s.standby);
    const auto first = s.db.evict(s.standby);
    INFO(first.output);
    CHECK(first.code == 0);
    const auto second = s.db.evict(s.primary);
    INFO(second.output);
    CHECK(second.code != 0);
    CHECK(second.output.contains("Cannot evict pod as it would violate the pod's disruption budget."));
    REQUIRE(eventually([&] { return s.db.agent(s.standby) != agent; }));
    s.check_end(0);
}

TEST_CASE("a primary whose standby is not whole is not evicted [cnpg drain_node_test]", "[failover][drain]") {
    Scene s;
    {
        Frozen server(s.db.server_processes(s.standby));
        REQUIRE(eventually([&] { return s.db.healthy_by_budget() == 1; }));
        const auto refused = s.db.evict(s.primary);
        INFO(refused.output);
        CHECK(refused.code != 0);
        CHECK(refused.output.contains("Cannot evict pod as it would violate the pod's disruption budget."));
        CHECK(s.ledger.goes_on());
    }
    s.check_end(0);
}

TEST_CASE("a primary without a standby that is told to stop stops at once [cnpg drain_node_test 'single instance']",
          "[failover][drain]") {
    const Replicated db(shared_stack(), "drained", {{"replication", false}});
    Ledger ledger(db.conninfo());
    REQUIRE(ledger.goes_on());
    const auto began = std::chrono::steady_clock::now();
    const auto [primary, agent] = std::pair(db.primary(), db.agent(db.primary()));
    const auto evicted = db.evict(primary);
    INFO(evicted.output);
    CHECK(evicted.code == 0);
    REQUIRE(eventually([&] { return db.agent(primary) != agent; }));
    // Far less than a primary waits for a standby that could take over.
    CHECK(std::chrono::steady_clock::now() - began < 15s);
    CHECK(ledger.goes_on());
    ledger.stop();
    CHECK(ledger.missing() == "");
    CHECK(db.epoch() == 1);
    CHECK(db.failovers() == 0);
    remove(db);
}

TEST_CASE("a primary whose standby is gone stops at once, and is the primary when it is back [cnpg drain_node_test]",
          "[failover][drain]") {
    Scene s(at_rest(), {.answer_timeout = 30s});
    s.db.scale(s.standby, 0);
    REQUIRE(s.db.becomes("degraded"));
    const auto began = std::chrono::steady_clock::now();
    s.db.scale(s.primary, 0);
    REQUIRE(eventually([&] { return s.db.agent(s.primary) == 0; }));
    CHECK(std::chrono::steady_clock::now() - began < 15s);
    s.db.scale(s.primary, 1);
    s.db.scale(s.standby, 1);
    s.check_end(0);
}

TEST_CASE(
    "the CMS is away when the primary is told to stop: it serves on, and hands over when the CMS is back [patroni "
    "dcs_failsafe_mode]",
    "[failover][drain]") {
    Scene s;
    s.db.stack().stop_cms();
    s.db.scale(s.primary, 0);
    CHECK(s.ledger.goes_on(100));
    s.db.stack().start_cms();
    REQUIRE(eventually([&] { return s.db.primary() == s.standby; }));
    s.db.scale(s.primary, 1);
    s.check_end(1);
    check_handed_over(s);
}

TEST_CASE(
    "the CMS is away until a primary that was told to stop is gone: back, roles change once [patroni "
    "dcs_failsafe_mode; paf monitor_disabled]",
    "[failover][drain]") {
    Scene s;
    s.db.stack().stop_cms();
    s.db.scale(s.primary, 0);
    REQUIRE(eventually([&] { return s.db.agent(s.primary) == 0; }));
    s.db.stack().start_cms();
    REQUIRE(eventually([&] { return s.db.primary() == s.standby; }));
    s.db.scale(s.primary, 1);
    check_end(s.db, s.ledger);
    CHECK(s.db.epoch() == s.epoch + 1);
    CHECK(s.db.last_failover().at("status") == "completed");
    CHECK(s.ledger.acknowledged_by() == Strings{s.primary, s.standby});
}

TEST_CASE(
    "the server is frozen beyond its lease while the primary is told to stop: another one has it hand over, and the "
    "thawed one undoes nothing [cnpg operator_ha_test 'leader election']",
    "[failover][drain]") {
    Scene s;
    auto& stack = s.db.stack();
    const auto extra = stack.start_extra_server();
    {
        Frozen server({stack.server_pid()});
        s.db.scale(s.primary, 0);
        REQUIRE(eventually([&] { return s.db.primary() == s.standby && s.db.state() == "rejoining"; }));
        s.db.scale(s.primary, 1);
        REQUIRE(s.db.becomes_whole());
    }
    stack.up();
    ::kill(extra.pid, SIGKILL);
    check_end(s.db, s.ledger);
    CHECK(s.db.epoch() == s.epoch + 1);
    CHECK(s.db.last_failover().at("status") == "completed");
}

TEST_CASE("kill -9 of the server at every effect of a hand-over: it is completed, once [cnpg operator_ha_test]",
          "[failover][drain]") {
    Stack stack;
    stack.up();
    const Replicated db(stack, "leaving");
    for (const auto* point : {"effect.topology:1", "effect.topology:2", "effect.label:1", "effect.label:2"}) {
        INFO("killed at " << point);
        db.set_policy(quick_policy);
        REQUIRE(db.becomes_whole());
        const auto [primary, epoch] = std::pair(db.primary(), db.epoch());
        Ledger ledger(db.conninfo());
        REQUIRE(ledger.goes_on());
        stack.signal_server(SIGTERM);
        stack.wait_for_death();
        db.delete_pod(primary);
        stack.up(point);
        stack.wait_for_death();
        stack.up();
        REQUIRE(eventually([&] { return !db.primary().empty() && db.primary() != primary; }));
        check_end(db, ledger);
        CHECK(db.epoch() == epoch + 1);
        CHECK(db.last_failover().at("status") == "completed");
        CHECK(ledger.acknowledged_by() == Strings{primary, db.primary()});
    }
}
