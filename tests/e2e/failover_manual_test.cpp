// Changes of roles and other interventions that an operator asks for, and those that are refused.
#include "ha/topology.hpp"
#include "scenario.hpp"

using namespace toygres;
using namespace toygres::test;
using namespace std::chrono_literals;

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

TEST_CASE("hold: nothing is done whatever happens, until resumed [pgo cluster-pause; paf maintenance; patroni pause]",
          "[failover]") {
    const auto& db = at_rest();
    Ledger ledger(db.conninfo());
    REQUIRE(ledger.goes_on());
    const auto [primary, epoch] = std::pair(db.primary(), db.epoch());
    REQUIRE(db.ask("hold", {{"reason", "maintenance"}}).at("state") == "succeeded");
    CHECK(db.state() == "held");
    db.check_refused("switchover", {}, "not_synced");
    db.strike_down(primary);
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
    db.strike_down(first);
    REQUIRE(eventually([&] { return db.primary() != first && db.state() != "failing_over"; }));
    db.scale(first, 1);
    REQUIRE(db.becomes_whole());
    db.set_policy({{"cooldown_ms", 600'000}});
    const auto [second, epoch] = std::pair(db.primary(), db.epoch());
    db.strike_down(second);
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
    REQUIRE(eventually([&] { return db.postmaster(standby) != postmaster && db.is_whole(); }));
    CHECK(db.record().at("clones").at(standby).get<int>() >= 1);
    CHECK(db.epoch() == epoch);
    check_end(db, ledger);
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
