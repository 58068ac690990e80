// Replication, switchover and failover of instances on the embedded cluster: whatever dies, nothing that a client saw
// acknowledged is lost, and everything is as it was again by itself. In brackets: the peers' tests that ask the same.
#include "base/file.hpp"
#include "ha/topology.hpp"
#include "ledger.hpp"
#include "replicated.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

using namespace toygres;
using namespace toygres::test;
using namespace std::chrono_literals;
using Strings = std::vector<std::string>;

namespace {

// So that a case takes seconds; what follows from the times is the same.
const Json quick_policy = {
    {"cooldown_ms", 0}, {"crash_restart_grace_ms", 1000}, {"silence_ms", 2000}, {"standby_timeout_ms", 1000}};

// One instance for most cases, whole and under the quick policy; a new one when a case left it broken.
const Replicated& at_rest() {
    static std::unique_ptr<Replicated> db;
    static int number = 0;
    if (!db || !db->becomes_whole(60))
        db = std::make_unique<Replicated>(shared_stack(), fmt::format("failover{}", ++number));
    db->set_policy(quick_policy);
    REQUIRE(db->becomes_whole());
    return *db;
}

// Of the members that answer, those that accept writes.
Strings writable(const Replicated& db) {
    Strings out;
    for (const auto& member : db.record().at("members").get<Strings>()) {
        try {
            if (db.value_at(member, "SELECT pg_is_in_recovery()") == "f") out.push_back(member);
        } catch (const std::exception&) {
            continue;
        }
    }
    return out;
}

Strings sorted(Strings words) {
    std::ranges::sort(words);
    return words;
}

Strings standby_addresses(const Replicated& db) {
    Strings out;
    for (const auto& member : db.record().at("members").get<Strings>())
        if (member != db.primary()) out.push_back(db.address(member));
    return sorted(out);
}

// The end of every case: writes go on, nothing acknowledged is missing, all is as the record says.
void check_end(const Replicated& db, Ledger& ledger) {
    CHECK(ledger.goes_on());
    CHECK(db.becomes_whole());
    CHECK(ledger.goes_on());
    ledger.stop();
    CHECK(ledger.missing() == "");
    CHECK(writable(db) == Strings{db.primary()});
    CHECK(db.addresses_behind(db.k8s_name()) == Strings{db.address(db.primary())});
    CHECK(sorted(db.addresses_behind(db.k8s_name() + "-ro")) == standby_addresses(db));
    CHECK(db.stack().broken_invariants() == "");
}

std::string setting(const Replicated& db, const std::string& member, const std::string& name) {
    return db.value_at(member, fmt::format("SELECT current_setting('{}')", name));
}

std::string names_of(const Replicated& db) { return ha::synchronous_names({db.standby()}, db.epoch()); }

void remove(const Replicated& db) {
    CHECK(db.stack().wait_operation(db.stack().remove(db.name())).at("state") == "succeeded");
    CHECK(db.objects().empty());
    CHECK(eventually([&] { return db.volumes().empty(); }));
    CHECK(db.stack().broken_invariants() == "");
}

}  // namespace

TEST_CASE(
    "create makes a primary and a standby that is proven to hold what is acknowledged [cnpg syncreplicas_test; patroni "
    "basic_replication 'check replication of a single table']",
    "[failover]") {
    const auto& db = at_rest();
    const auto status = db.stack().cli("replication status " + db.name());
    CHECK(status.code == 0);
    CHECK(status.output.contains("synced"));
    CHECK(setting(db, db.primary(), "synchronous_standby_names") == names_of(db));
    CHECK(setting(db, db.standby(), "synchronous_standby_names").empty());
    CHECK(db.value_at(db.primary(),
                      "SELECT string_agg(application_name || ' ' || sync_state, ',') "
                      "FROM pg_stat_replication WHERE state = 'streaming'") ==
          ha::stream_name(db.standby(), db.epoch()) + " quorum");
    CHECK(db.value_at(db.primary(), "SELECT string_agg(slot_name || ' ' || active, ',') FROM pg_replication_slots") ==
          ha::slot_name(db.standby()) + " true");
    CHECK(db.record().at("failover_safe") == true);
    CHECK(db.members_labelled("primary") == Strings{db.primary()});
    CHECK(db.members_labelled("replica") == Strings{db.standby()});
    CHECK(db.addresses_behind(db.k8s_name()) == Strings{db.address(db.primary())});
    CHECK(db.addresses_behind(db.k8s_name() + "-ro") == Strings{db.address(db.standby())});
    CHECK(db.stack().broken_invariants() == "");
}

TEST_CASE("a standby refuses writes [paf basic_operation 'writes on the standby are rejected']", "[failover]") {
    const auto& db = at_rest();
    try {
        db.value_at(db.standby(), "CREATE TABLE forbidden (n int)");
        FAIL("it was allowed");
    } catch (const pqxx::sql_error& e) {
        CHECK(e.sqlstate() == "25006");
    }
}

TEST_CASE("--no-replication: one server, and no change of roles is possible [zalando test_scaling]", "[failover]") {
    const Replicated db(shared_stack(), "alone", {{"replication", false}});
    CHECK(db.state() == "single");
    CHECK(db.members_labelled("primary") == Strings{db.primary()});
    CHECK(db.members_labelled("replica").empty());
    CHECK(setting(db, db.primary(), "synchronous_standby_names").empty());
    db.check_refused("switchover", {}, "bad_target");
    db.check_refused("failover", {{"force", true}, {"allow_data_loss", true}}, "bad_target");
    db.check_refused("resync", {}, "bad_target");
    db.check_refused("switchover", {{"target", "2"}}, "bad_target");
    remove(db);
}

TEST_CASE(
    "asynchronous: commits do not wait, and nothing is promoted by itself [cnpg fastfailover_test async; paf "
    "multi_async]",
    "[failover]") {
    const Replicated db(shared_stack(), "async", {{"replication_mode", "async"}});
    CHECK(db.becomes("catching_up"));
    db.set_policy(quick_policy);
    CHECK(setting(db, db.primary(), "synchronous_standby_names").empty());
    CHECK(db.value_at(db.primary(), "SELECT string_agg(sync_state, ',') FROM pg_stat_replication") == "async");
    CHECK(db.record().at("failover_safe") == false);
    db.check_refused("switchover", {}, "not_synced");

    const auto primary = db.primary();
    db.scale(primary, 0);
    CHECK(eventually([&] { return db.blocked().contains("asynchronous"); }));
    CHECK(db.epoch() == 1);
    db.check_refused("failover", {}, "not_failover_safe");
    // With the loss accepted it is done, and on record.
    const auto consented = db.ask("failover", {{"allow_data_loss", true}, {"reason", "test"}});
    INFO(consented.dump());
    CHECK(consented.at("state") == "succeeded");
    CHECK(db.epoch() == 2);
    CHECK(db.last_failover().at("kind") == "manual");
    CHECK(db.last_failover().at("status") == "completed");
    db.scale(primary, 1);
    CHECK(db.becomes("catching_up", 90));
    CHECK(writable(db) == Strings{db.primary()});
    remove(db);
}

TEST_CASE(
    "switchover there and back: nothing lost, the old primary follows, the Services move [cnpg switchover_test; "
    "fastswitchover_test; pgo switchover]",
    "[failover]") {
    const auto& db = at_rest();
    Ledger ledger(db.conninfo());
    for (const auto* target : {"", "the other"}) {
        const auto [old_primary, next, epoch] = std::tuple(db.primary(), db.standby(), db.epoch());
        REQUIRE(ledger.goes_on());
        ledger.forget_gaps();
        const auto done = db.ask("switchover", *target == 0 ? Json::object() : Json{{"target", next}});
        INFO(done.dump());
        CHECK(done.at("state") == "succeeded");
        REQUIRE(db.becomes_whole());
        CHECK(ledger.goes_on());
        WARN("no row was acknowledged for " << ledger.longest_gap().count() << " ms");
        CHECK(db.primary() == next);
        CHECK(db.epoch() == epoch + 1);
        CHECK(db.last_failover() == Json{{"kind", "switchover"},
                                         {"status", "completed"},
                                         {"old_primary", old_primary},
                                         {"new_primary", next},
                                         {"epoch", epoch + 1},
                                         {"data_loss_bytes", 0}});
        CHECK(setting(db, next, "synchronous_standby_names") == names_of(db));
        CHECK(setting(db, old_primary, "synchronous_standby_names").empty());
        CHECK(eventually([&] {
            return db.value_at(next, "SELECT string_agg(slot_name || ' ' || active, ',') FROM pg_replication_slots") ==
                   ha::slot_name(old_primary) + " true";
        }));
        CHECK(db.members_labelled("primary") == Strings{next});
        CHECK(db.members_labelled("replica") == Strings{old_primary});
    }
    CHECK(ledger.acknowledged_by() == Strings{db.primary(), db.standby(), db.primary()});
    check_end(db, ledger);
}

TEST_CASE("switchover --dry-run tells what it would do and changes nothing [patroni patroni_api 'switchover']",
          "[failover]") {
    const auto& db = at_rest();
    const auto before = db.record();
    const auto failovers = db.failovers();
    const auto told = db.ask("switchover", {{"dry_run", true}});
    CHECK(told.at("state") == "succeeded");
    CHECK(told.at("result").at("new_primary") == db.standby());
    CHECK(told.at("result").at("old_primary") == db.primary());
    CHECK(told.at("result").at("failover_safe") == true);
    CHECK(db.record() == before);
    CHECK(db.failovers() == failovers);
    CHECK(db.stack().cli("replication switchover " + db.name() + " --dry-run").output.contains("Nothing was changed"));
    CHECK(db.record() == before);
}

TEST_CASE(
    "a change of roles that makes no sense is refused with the reason [patroni patroni_api 'switchover to a "
    "nonexistent candidate'; paf 'can't failover yet']",
    "[failover]") {
    const auto& db = at_rest();
    const auto failovers = db.failovers();
    const auto postmaster = db.postmaster(db.primary());
    db.check_refused("switchover", {{"target", "nobody"}}, "bad_target");
    db.check_refused("switchover", {{"target", db.primary()}}, "bad_target");
    db.check_refused("switchover", {{"target", "7"}}, "bad_target");
    db.check_refused("failover", {}, "primary_healthy");
    db.check_refused("failover", {{"target", db.standby()}, {"allow_data_loss", true}}, "primary_healthy");
    db.check_refused("resume", {}, "not_now");
    CHECK(db.failovers() == failovers);
    CHECK(db.postmaster(db.primary()) == postmaster);
    const auto refused = db.stack().cli("replication failover " + db.name() + " --wait");
    CHECK(refused.code != 0);
    CHECK(refused.output.contains("primary is healthy"));
}

TEST_CASE("a forced failover of a healthy primary loses nothing [cnpg fastfailover_test; patroni 'manual failover']",
          "[failover]") {
    const auto& db = at_rest();
    Ledger ledger(db.conninfo());
    REQUIRE(ledger.goes_on());
    const auto [primary, epoch] = std::pair(db.primary(), db.epoch());
    const auto done = db.ask("failover", {{"force", true}});
    INFO(done.dump());
    CHECK(done.at("state") == "succeeded");
    REQUIRE(db.becomes_whole());
    CHECK(db.primary() != primary);
    CHECK(db.epoch() == epoch + 1);
    CHECK(ledger.goes_on());
    CHECK(ledger.acknowledged_by() == Strings{primary, db.primary()});
    check_end(db, ledger);
}

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
    REQUIRE(eventually([&] { return db.agent(primary) != agent; }, 90));
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
    db.scale(primary, 0);
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
    "the primary's StatefulSet is deleted: it comes back by itself, nothing lost [pgo delete; zalando "
    "test_owner_references]",
    "[failover]") {
    const auto& db = at_rest();
    Ledger ledger(db.conninfo());
    REQUIRE(ledger.goes_on());
    const auto [primary, epoch, agent] = std::tuple(db.primary(), db.epoch(), db.agent(db.primary()));
    db.delete_stateful_set(primary);
    REQUIRE(eventually([&] { return db.agent(primary) != agent; }, 90));
    REQUIRE(eventually([&] { return db.agent(primary) != 0; }, 90));
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
    "the standby is gone: commits wait for the time allowed and go on without it; no change of roles meanwhile; it is "
    "synchronous again by itself [cnpg syncreplicas_test 'will decrease the number of sync replicas'; paf "
    "guard_data_loss]",
    "[failover]") {
    const auto& db = at_rest();
    db.set_policy({{"standby_timeout_ms", 3'000}});
    Ledger ledger(db.conninfo(), {.answer_timeout = 30s});
    REQUIRE(ledger.goes_on());
    const auto [primary, standby, epoch] = std::tuple(db.primary(), db.standby(), db.epoch());
    ledger.forget_gaps();
    db.scale(standby, 0);
    REQUIRE(db.becomes("degraded"));
    CHECK(ledger.goes_on());
    WARN("no row was acknowledged for " << ledger.longest_gap().count() << " ms");
    CHECK(ledger.longest_gap() < 8s);
    CHECK(db.record().at("failover_safe") == false);
    CHECK(setting(db, primary, "synchronous_standby_names").empty());
    db.check_refused("switchover", {}, "bad_target");
    db.check_refused("failover", {}, "bad_target");

    // Now the primary too: what it acknowledged alone is nowhere else.
    db.scale(primary, 0);
    db.scale(standby, 1);
    CHECK(eventually([&] { return db.blocked().contains("no standby is proven"); }));
    db.check_refused("failover", {}, "not_failover_safe");
    CHECK(db.epoch() == epoch);
    CHECK(db.primary() == primary);
    db.scale(primary, 1);
    check_end(db, ledger);
    CHECK(db.blocked().empty());
    CHECK(db.epoch() == epoch);
    CHECK(ledger.acknowledged_by() == Strings{primary});
}

TEST_CASE(
    "the standby's server is frozen, its connection open: commits wait no longer than for one that is gone [patroni "
    "basic_replication 'stuck sync replica'; paf replication_stall_3dc]",
    "[failover]") {
    const auto& db = at_rest();
    Ledger ledger(db.conninfo(), {.answer_timeout = 60s});
    REQUIRE(ledger.goes_on());
    const auto frozen = db.server_processes(db.standby());
    ledger.forget_gaps();
    for (const auto pid : frozen) ::kill(pid, SIGSTOP);
    CHECK(db.becomes("degraded"));
    CHECK(ledger.goes_on());
    CHECK(ledger.longest_gap() < 6s);
    for (const auto pid : frozen) ::kill(pid, SIGCONT);
    check_end(db, ledger);
}

TEST_CASE(
    "strict: commits wait until the standby is back, however long that takes [patroni basic_replication 'strict "
    "mode keeps synchronous_standby_names'; paf wait_primary_draining_deadlock]",
    "[failover]") {
    const Replicated db(shared_stack(), "strict", {{"durability", "strict"}});
    db.set_policy(quick_policy);
    REQUIRE(db.becomes_whole());
    Ledger ledger(db.conninfo(), {.answer_timeout = 120s});
    REQUIRE(ledger.goes_on());
    db.scale(db.standby(), 0);
    // For several times of what `degrade` would allow.
    REQUIRE(eventually([&] {
        return db.value(
                   "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND "
                   "clock_timestamp() - query_start > '4 s'") == "2";
    }));
    CHECK(db.state() == "synced");
    CHECK(setting(db, db.primary(), "synchronous_standby_names") == names_of(db));
    const auto before = ledger.acknowledged();
    db.scale(db.standby(), 1);
    CHECK(ledger.goes_on());
    CHECK(ledger.acknowledged() > before);
    check_end(db, ledger);
    remove(db);
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
    "the primary's agent is frozen while its server serves: no failover [patroni frozen_patroni; cnpg "
    "operator_unavailable_test]",
    "[failover]") {
    const auto& db = at_rest();
    db.set_policy({{"crash_restart_grace_ms", 500}, {"silence_ms", 500}});
    Ledger ledger(db.conninfo());
    REQUIRE(ledger.goes_on());
    const auto [epoch, failovers, agent] = std::tuple(db.epoch(), db.failovers(), db.agent(db.primary()));
    ::kill(agent, SIGSTOP);
    CHECK(ledger.goes_on(500));
    ::kill(agent, SIGCONT);
    check_end(db, ledger);
    CHECK(db.epoch() == epoch);
    CHECK(db.failovers() == failovers);
}

TEST_CASE(
    "all connections of the primary are taken: nobody can log in, and that is no failure of it [cnpg "
    "'max_connections'; patroni reserved connections]",
    "[failover]") {
    const auto& db = at_rest();
    const auto [epoch, failovers] = std::pair(db.epoch(), db.failovers());
    {
        std::vector<std::unique_ptr<pqxx::connection>> all;
        const auto full = [&] {
            try {
                all.push_back(std::make_unique<pqxx::connection>(db.conninfo()));
                return false;
            } catch (const std::exception&) {
                return true;
            }
        };
        for (int i = 0; i < 200 && !full(); ++i) {
        }
        CHECK(all.size() > 50);
        // A user's look fails three times, which takes longer than a server that is silent is waited for.
        CHECK(eventually([&] { return db.health() == "unhealthy"; }));
        CHECK(db.state() == "synced");
    }
    CHECK(eventually([&] { return db.health() == "healthy"; }));
    CHECK(db.epoch() == epoch);
    CHECK(db.failovers() == failovers);
    CHECK(db.blocked().empty());
    CHECK(db.becomes_whole());
}

TEST_CASE("hold: nothing is done whatever happens, until resumed [pgo cluster-pause; paf maintenance; patroni pause]",
          "[failover]") {
    const auto& db = at_rest();
    Ledger ledger(db.conninfo());
    REQUIRE(ledger.goes_on());
    const auto [primary, epoch] = std::pair(db.primary(), db.epoch());
    REQUIRE(db.ask("hold", {{"reason", "maintenance"}}).at("state") == "succeeded");
    CHECK(db.state() == "held");
    db.check_refused("switchover", {}, "not_synced");
    db.scale(primary, 0);
    REQUIRE(eventually([&] { return db.health() == "unhealthy"; }));
    CHECK(db.state() == "held");
    CHECK(db.epoch() == epoch);
    REQUIRE(db.ask("resume").at("state") == "succeeded");
    REQUIRE(eventually([&] { return db.epoch() == epoch + 1; }));
    db.scale(primary, 1);
    check_end(db, ledger);
    CHECK(ledger.acknowledged_by() == Strings{primary, db.primary()});
}

TEST_CASE("cooldown: a second automatic failover waits [cnpg failover_test 'while respecting the delay']",
          "[failover]") {
    const auto& db = at_rest();
    const auto first = db.primary();
    db.scale(first, 0);
    REQUIRE(eventually([&] { return db.primary() != first && db.state() != "failing_over"; }));
    db.scale(first, 1);
    REQUIRE(db.becomes_whole());
    db.set_policy({{"cooldown_ms", 600'000}});
    const auto [second, epoch] = std::pair(db.primary(), db.epoch());
    db.scale(second, 0);
    CHECK(eventually([&] { return db.blocked().contains("last failover"); }));
    CHECK(db.epoch() == epoch);
    db.set_policy({{"cooldown_ms", 0}});
    CHECK(eventually([&] { return db.primary() == first; }));
    db.scale(second, 1);
    CHECK(db.becomes_whole());
}

TEST_CASE("resync copies the standby afresh [cnpg pvc_deletion_test; patroni reinitialize]", "[failover]") {
    const auto& db = at_rest();
    Ledger ledger(db.conninfo());
    REQUIRE(ledger.goes_on());
    const auto [standby, epoch, postmaster] = std::tuple(db.standby(), db.epoch(), db.postmaster(db.standby()));
    CHECK(db.ask("resync").at("state") == "succeeded");
    REQUIRE(eventually([&] { return db.postmaster(standby) != postmaster && db.is_whole(); }, 120));
    CHECK(db.record().at("clones").at(standby).get<int>() >= 1);
    CHECK(db.epoch() == epoch);
    check_end(db, ledger);
}

TEST_CASE(
    "two standbys, one of which receives no more: the one that holds everything takes over, the other follows it [cnpg "
    "failover_test 'reacts to primary failure' (SIGSTOP of a walreceiver); paf multi_standbys]",
    "[failover]") {
    const Replicated db(shared_stack(), "trio", {{"standbys", 2}});
    db.set_policy(quick_policy);
    REQUIRE(db.becomes_whole());
    const auto members = db.record().at("members").get<Strings>();
    REQUIRE(members.size() == 3);
    const auto armed = db.record().at("armed").get<Strings>();
    CHECK(armed.size() == 2);
    CHECK(setting(db, members[0], "synchronous_standby_names") == ha::synchronous_names(armed, db.epoch()));
    Ledger ledger(db.conninfo());
    REQUIRE(ledger.goes_on());
    int stopped = 0;
    for (const auto pid : db.server_processes(members[1]))
        if (read_file(fmt::format("/proc/{}/cmdline", pid)).value_or("").contains("walreceiver")) stopped = pid;
    REQUIRE(stopped != 0);
    ::kill(stopped, SIGSTOP);
    CHECK(ledger.goes_on(100));
    // At once, before it could hand over what that standby lacks.
    const auto [postmaster, agent] = std::pair(db.postmaster(members[0]), db.agent(members[0]));
    db.scale(members[0], 0);
    ::kill(postmaster, SIGKILL);
    ::kill(agent, SIGKILL);
    REQUIRE(eventually([&] { return db.epoch() == 2 && db.agent(members[0]) == 0; }));
    ::kill(stopped, SIGCONT);
    REQUIRE(eventually([&] { return db.primary() == members[1] || db.primary() == members[2]; }));
    // Of what was compared, it had the most.
    CHECK(db.stack().value(fmt::format(
              "SELECT bool_and((metadata -> '{}' ->> 'receive_lsn')::pg_lsn >= (metadata -> m ->> "
              "'receive_lsn')::pg_lsn) "
              "FROM (SELECT metadata FROM replication_events WHERE event_type = 'positions_frozen' ORDER BY id DESC "
              "LIMIT 1) e, unnest(ARRAY['{}', '{}']) m",
              db.primary(), members[1], members[2])) == "t");
    CHECK(ledger.goes_on());
    db.scale(members[0], 1);
    check_end(db, ledger);
    remove(db);
}

TEST_CASE(
    "switchover with stop_and_retain: the old primary stays down, the new one goes on [cnpg fencing_test; paf "
    "maintenance_and_drop]",
    "[failover]") {
    const Replicated db(shared_stack(), "retained");
    REQUIRE(db.becomes_whole());
    const auto [old_primary, next] = std::pair(db.primary(), db.standby());
    const auto done = db.ask("switchover", {{"old_primary_action", "stop_and_retain"}});
    INFO(done.dump());
    CHECK(done.at("state") == "succeeded");
    CHECK(eventually([&] { return db.members_labelled("primary") == Strings{next}; }));
    CHECK(eventually([&] { return db.postmaster(old_primary) == 0; }));
    CHECK(db.record().at("fenced") == Json::array({old_primary}));
    Ledger ledger(db.conninfo());
    CHECK(ledger.goes_on(100));
    ledger.stop();
    CHECK(ledger.missing() == "");
    CHECK(db.postmaster(old_primary) == 0);
    CHECK(writable(db) == Strings{next});
    remove(db);
}

TEST_CASE(
    "the CMS is away while the primary dies: afterwards the standby takes over [patroni dcs_failsafe_mode; cnpg "
    "operator_unavailable_test 'Delete primary and operator concurrently']",
    "[failover]") {
    const auto& db = at_rest();
    Ledger ledger(db.conninfo());
    REQUIRE(ledger.goes_on());
    const auto [primary, epoch] = std::pair(db.primary(), db.epoch());
    db.scale(primary, 0);
    db.stack().restart_cms("immediate");
    REQUIRE(eventually([&] { return db.epoch() == epoch + 1; }, 90));
    db.scale(primary, 1);
    check_end(db, ledger);
}

TEST_CASE("secrets: no password of a replicated instance in the CMS, in a log, in ps, in the topology", "[failover]") {
    const auto& db = at_rest();
    const auto superuser = db.secret(db.k8s_name() + "-superuser", "password");
    const auto replication = db.secret(db.k8s_name() + "-replication", "password");
    const auto look = [&](const std::string& where, const std::string& text) {
        INFO(where);
        CHECK_FALSE(text.empty());
        CHECK_FALSE(text.contains(superuser));
        CHECK_FALSE(text.contains(replication));
    };
    const auto& directory = db.stack().directory;
    look("pg_dump", shell(fmt::format("pg_dump -h {}/cms -U toygres postgres", directory)).output);
    look("ps", shell("ps axeww").output);
    look("topology", db.topology());
    for (const auto* log : {"server.log", "cluster.log"}) look(log, read_file(directory + "/" + log).value_or(""));
    int logs = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory + "/cluster/logs")) {
        if (!entry.is_regular_file() || !entry.path().string().contains(db.k8s_name())) continue;
        const auto text = read_file(entry.path().string()).value_or("");
        if (text.empty()) continue;
        look(entry.path().string(), text);
        ++logs;
    }
    CHECK(logs >= 2);
}

TEST_CASE(
    "deleting a replicated instance leaves nothing, also in the middle of a failover [zalando "
    "test_zz_cluster_deletion; cnpg 'can be deleted']",
    "[failover]") {
    const auto& db = at_rest();
    db.set_policy({{"crash_restart_grace_ms", 0}});
    const auto primary = db.primary();
    db.scale(primary, 0);
    REQUIRE(eventually([&] { return db.state() == "failing_over" || db.primary() != primary; }));
    remove(db);
    for (const auto& member : Strings{db.k8s_name() + "-1", db.k8s_name() + "-2"}) CHECK(db.agent(member) == 0);
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
        db.scale(primary, 0);
        stack.up(point);
        stack.wait_for_death();
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
