// What somebody does to the Kubernetes objects of an instance behind the back of the control plane.
#include "scenario.hpp"

#include <fmt/format.h>

using namespace toygres;
using namespace toygres::test;
using namespace std::chrono_literals;

TEST_CASE(
    "the primary's StatefulSet is deleted: it comes back by itself, nothing lost [pgo delete; zalando "
    "test_owner_references]",
    "[failover]") {
    const auto& db = at_rest();
    Ledger ledger(db.conninfo());
    REQUIRE(ledger.goes_on());
    const auto [primary, epoch, agent] = std::tuple(db.primary(), db.epoch(), db.agent(db.primary()));
    db.delete_stateful_set(primary);
    REQUIRE(eventually([&] { return db.agent(primary) != agent; }));
    REQUIRE(eventually([&] { return db.agent(primary) != 0; }));
    check_end(db, ledger);
    CHECK(db.epoch() <= epoch + 1);
}

TEST_CASE(
    "the topology is deleted: it comes back as it was, and no server notices [cnpg primary_lease_test 'is "
    "recreated when deleted'; patroni dcs_failsafe_mode]",
    "[failover]") {
    const auto& db = at_rest();
    Ledger ledger(db.conninfo());
    REQUIRE(ledger.goes_on());
    const auto [topology, record] = std::pair(db.topology(), db.record());
    const auto [a, b] = std::pair(db.postmaster(db.primary()), db.postmaster(db.standby()));
    REQUIRE_FALSE(topology.empty());
    db.delete_topology();
    REQUIRE(eventually([&] { return db.topology() == topology; }));
    CHECK(db.record() == record);
    CHECK(db.postmaster(db.primary()) == a);
    CHECK(db.postmaster(db.standby()) == b);
    check_end(db, ledger);
}

TEST_CASE(
    "an old topology is written back: nobody obeys it, and it is put right [cnpg self_fencing_test; paf "
    "timeline_fork_3node_auto_detect]",
    "[failover]") {
    const auto& db = at_rest();
    const auto old_topology = db.topology();
    REQUIRE(db.ask("switchover").at("state") == "succeeded");
    REQUIRE(db.becomes_whole());
    Ledger ledger(db.conninfo());
    REQUIRE(ledger.goes_on());
    const auto record = db.record();
    const auto topology = db.topology();
    db.write_topology(old_topology);
    REQUIRE(eventually([&] { return db.topology() == topology; }));
    CHECK(db.record() == record);
    check_end(db, ledger);
    CHECK(ledger.acknowledged_by() == Strings{db.primary()});
}

TEST_CASE(
    "deleting a replicated instance leaves nothing, also in the middle of a failover [zalando "
    "test_zz_cluster_deletion; cnpg 'can be deleted']",
    "[failover]") {
    const auto& db = at_rest();
    db.set_policy({{"crash_restart_grace_ms", 0}});
    const auto primary = db.primary();
    db.strike_down(primary);
    REQUIRE(eventually([&] { return db.state() == "failing_over" || db.primary() != primary; }));
    remove(db);
    for (const auto& member : Strings{db.k8s_name() + "-1", db.k8s_name() + "-2"}) CHECK(db.agent(member) == 0);
    forget_at_rest();
}

TEST_CASE(
    "both pods are deleted at once: they come back, nothing lost, at most one failover [zalando "
    "test_taint_based_eviction; cnpg drain_node_test]",
    "[failover]") {
    Scene s;
    const auto [a, b] = std::pair(s.db.agent(s.primary), s.db.agent(s.standby));
    s.db.delete_pod(s.primary);
    s.db.delete_pod(s.standby);
    REQUIRE(eventually([&] { return s.db.agent(s.primary) != a && s.db.agent(s.standby) != b; }));
    s.check_end_after_one_at_most();
}

TEST_CASE(
    "both StatefulSets are deleted at once: they come back by themselves, nothing lost [zalando "
    "test_owner_references; pgo delete]",
    "[failover]") {
    Scene s;
    const auto [a, b] = std::pair(s.db.agent(s.primary), s.db.agent(s.standby));
    s.db.delete_stateful_set(s.primary);
    s.db.delete_stateful_set(s.standby);
    REQUIRE(eventually([&] { return s.db.agent(s.primary) != a && s.db.agent(s.standby) != b; }));
    s.check_end_after_one_at_most();
}

TEST_CASE(
    "the standby's claim and pod are deleted: it comes back with a volume of its own and is cloned [cnpg "
    "pvc_deletion_test; zalando test_persistent_volume_claim_retention_policy]",
    "[failover]") {
    Scene s;
    s.db.delete_claim(s.standby);
    s.db.delete_pod(s.standby);
    REQUIRE(s.db.becomes("degraded"));
    s.check_end(0);
}

TEST_CASE(
    "the primary's claim and pod are deleted: the standby takes over, nobody starts an empty primary [cnpg "
    "pvc_deletion_test]",
    "[failover]") {
    Scene s;
    s.db.delete_claim(s.primary);
    s.db.delete_pod(s.primary);
    REQUIRE(eventually([&] { return s.db.primary() == s.standby; }));
    s.check_end(1);
}

TEST_CASE(
    "somebody labels the standby's pod as the primary: no write is acknowledged by two, and the label is put right "
    "[patroni #3194 'two primaries by label'; cnpg 'instanceRole']",
    "[failover]") {
    Scene s;
    s.db.set_label(s.standby, "primary");
    REQUIRE(eventually([&] { return s.db.members_labelled("primary") == Strings{s.primary}; }));
    s.check_end(0);
}

TEST_CASE(
    "deleting an instance that is being made, degraded or held leaves nothing [zalando "
    "test_zz_cluster_deletion; pgo delete; cnpg 'can be deleted']",
    "[failover]") {
    auto& stack = shared_stack();
    const auto state_of = [&](const std::string& name) {
        return stack.value(
            fmt::format("SELECT r.state FROM replication r JOIN instances i ON i.id = r.instance_id WHERE "
                        "i.user_name = '{}'",
                        name));
    };
    stack.create("fading0", {{"replication", true}});
    REQUIRE(eventually([&] { return state_of("fading0") == "joining"; }));
    const auto name = stack.value("SELECT k8s_name FROM instances WHERE user_name = 'fading0'");
    CHECK(stack.wait_operation(stack.remove("fading0")).at("state") == "succeeded");
    const auto left = stack.objects();
    CHECK(std::ranges::none_of(left, [&](const std::string& object) { return object.contains(name); }));
    {
        const Replicated db(stack, "fading1");
        db.scale(db.standby(), 0);
        REQUIRE(db.becomes("degraded"));
        remove(db);
    }
    {
        const Replicated db(stack, "fading2");
        REQUIRE(db.ask("hold").at("state") == "succeeded");
        remove(db);
    }
}

TEST_CASE(
    "deleting an instance in a switchover ends both operations and leaves nothing [cnpg 'can be deleted'; paf "
    "drop_node_destroy]",
    "[failover]") {
    Stack stack;
    stack.up();
    const Replicated db(stack, "fading");
    Frozen receiver({db.server_process(db.standby(), "walreceiver")});
    REQUIRE(stack.call("POST", "/api/v1/instances/fading/switchover", Json::object()).status == 202);
    REQUIRE(eventually([&] { return db.state() == "switching"; }));
    receiver.thaw();
    remove(db);
}
