// What becomes of standbys, and of commits that wait for them.
#include "base/file.hpp"
#include "ha/topology.hpp"
#include "scenario.hpp"

#include <fmt/format.h>

#include <csignal>

using namespace toygres;
using namespace toygres::test;
using namespace std::chrono_literals;

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
    REQUIRE(eventually([&] { return db.members_labelled("replica") == Strings{standby}; }));
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
    db.strike_down(members[0]);
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
    "the standby's server crashes: it restarts in place, commits wait no longer than allowed, roles stay [patroni "
    "basic_replication 'restart of sync replica']",
    "[failover]") {
    Scene s(at_rest(), {.answer_timeout = 30s});
    const auto postmaster = s.db.postmaster(s.standby);
    s.ledger.forget_gaps();
    ::kill(postmaster, SIGKILL);
    REQUIRE(eventually([&] { return s.db.postmaster(s.standby) != postmaster; }));
    CHECK(s.ledger.goes_on());
    CHECK(s.ledger.longest_gap() < 6s);
    s.check_end(0);
}

TEST_CASE(
    "the standby receives and does not apply: it stays synchronous, and what it had not applied is there when it takes "
    "over [patroni basic_replication 'stuck sync replica (pause of the replay)']",
    "[failover]") {
    Scene s;
    s.db.value_at(s.standby, "SELECT pg_wal_replay_pause()");
    REQUIRE(eventually([&] { return s.db.value_at(s.standby, "SELECT pg_get_wal_replay_pause_state()") == "paused"; }));
    s.db.value("CREATE TABLE not_applied AS SELECT generate_series(1, 1000)");
    CHECK(s.ledger.goes_on(300));
    CHECK(s.db.state() == "synced");
    CHECK(s.db.value_at(s.standby, "SELECT to_regclass('not_applied') IS NULL") == "t");
    s.db.strike_down(s.primary);
    REQUIRE(eventually([&] { return s.db.primary() == s.standby; }));
    s.db.scale(s.primary, 1);
    s.check_end(1);
    CHECK(s.db.value("SELECT count(*) FROM not_applied") == "1000");
    s.db.value("DROP TABLE not_applied");
}

TEST_CASE("the walreceiver is killed: it comes back, the standby stays the standby [cnpg failover_test; jepsen]",
          "[failover]") {
    Scene s;
    const auto receiver = s.db.server_process(s.standby, "walreceiver");
    REQUIRE(receiver != 0);
    ::kill(receiver, SIGKILL);
    REQUIRE(eventually([&] {
        const auto next = s.db.server_process(s.standby, "walreceiver");
        return next != 0 && next != receiver;
    }));
    s.check_end(0);
}

TEST_CASE(
    "strict: the primary crashes while commits wait for a standby that is away: it waits on after its restart, and "
    "nobody is promoted [patroni basic_replication 'strict keeps old synchronous_standby_names'; cnpg dataDurability]",
    "[failover]") {
    const Replicated db(shared_stack(), "strictly", {{"durability", "strict"}});
    db.set_policy(quick_policy);
    REQUIRE(db.becomes_whole());
    {
        Scene s(db, {.answer_timeout = 120s});
        db.scale(s.standby, 0);
        const auto waiting = [&] {
            return answer_of(db, s.primary,
                             "SELECT concat_ws(' ', (SELECT count(*) FROM pg_stat_activity WHERE wait_event = "
                             "'SyncRep'), (SELECT count(*) FROM pg_stat_replication))") == "2 0";
        };
        REQUIRE(eventually(waiting));
        const auto acknowledged = s.ledger.acknowledged();
        const auto postmaster = db.postmaster(s.primary);
        ::kill(postmaster, SIGKILL);
        REQUIRE(eventually([&] { return db.postmaster(s.primary) != postmaster; }));
        const bool waits_on = eventually(waiting);
        INFO(answer_of(db, s.primary,
                       "SELECT string_agg(concat_ws(' ', pid, backend_type, application_name, state, wait_event_type, "
                       "wait_event, query), E'\\n') FROM pg_stat_activity"));
        INFO(db.record().dump());
        REQUIRE(waits_on);
        CHECK(s.ledger.acknowledged() == acknowledged);
        CHECK(setting(db, s.primary, "synchronous_standby_names") == names_of(db));
        db.scale(s.standby, 1);
        s.check_end(0);
    }
    // And with the standby there, it takes over from a primary that is gone.
    Scene s(db);
    db.strike_down(s.primary);
    REQUIRE(eventually([&] { return db.primary() == s.standby; }));
    db.scale(s.primary, 1);
    s.check_end(1);
    remove(db);
}

namespace {

// A failover that has begun and cannot choose yet, as its only candidate receives still; then that one is gone as well.
void lose_both_during_a_failover(const Scene& s) {
    const auto receiver = s.db.server_process(s.standby, "walreceiver");
    REQUIRE(receiver != 0);
    ::kill(receiver, SIGSTOP);
    s.db.strike_down(s.primary);
    REQUIRE(eventually([&] { return s.db.epoch() == s.epoch + 1; }));
    REQUIRE(s.db.state() == "failing_over");
    s.db.strike_down(s.standby);
    CHECK(eventually([&] { return s.db.blocked().contains("waits for the standby " + s.standby); }));
    CHECK(s.db.primary().empty());
}

}  // namespace

TEST_CASE(
    "both are gone during a failover: the old primary, which is back first, goes on in the new epoch; the standby "
    "follows it",
    "[failover]") {
    const auto& db = at_rest();
    db.set_policy({{"standby_timeout_ms", 60'000}});
    Scene s(db, {.answer_timeout = 120s});
    lose_both_during_a_failover(s);
    db.scale(s.primary, 1);
    REQUIRE(eventually([&] { return db.primary() == s.primary; }));
    CHECK(db.epoch() == s.epoch + 1);
    CHECK(db.failovers() == s.failovers + 1);
    CHECK(db.last_failover().at("status") == "failed");
    CHECK(db.open_failovers() == 0);
    // It waits for the standby, by the name that this one has in the new epoch, for as long as commits may wait.
    REQUIRE(eventually([&] { return answer_of(db, s.primary, "SELECT 1") == "1"; }));
    CHECK(setting(db, s.primary, "synchronous_standby_names") == names_of(db));
    CHECK(db.state() == "synced");
    db.set_policy(quick_policy);
    REQUIRE(db.becomes("degraded"));
    CHECK(s.ledger.goes_on());
    CHECK(db.blocked().empty());
    db.scale(s.standby, 1);
    check_end(db, s.ledger);
    CHECK(db.epoch() == s.epoch + 1);
    CHECK(s.ledger.acknowledged_by() == Strings{s.primary});
    CHECK(db.completed_failovers() == s.completed_failovers);
}

TEST_CASE(
    "strict: both are gone during a failover: the old primary is back, and commits wait until the standby is, too",
    "[failover]") {
    const Replicated db(shared_stack(), "strictest", {{"durability", "strict"}});
    db.set_policy(quick_policy);
    REQUIRE(db.becomes_whole());
    {
        Scene s(db, {.answer_timeout = 120s});
        lose_both_during_a_failover(s);
        db.scale(s.primary, 1);
        REQUIRE(eventually([&] {
            return answer_of(db, s.primary, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") ==
                   "2";
        }));
        CHECK(db.epoch() == s.epoch + 1);
        CHECK(db.state() == "synced");
        const auto acknowledged = s.ledger.acknowledged();
        db.scale(s.standby, 1);
        check_end(db, s.ledger);
        CHECK(s.ledger.acknowledged() > acknowledged);
        CHECK(db.epoch() == s.epoch + 1);
        CHECK(s.ledger.acknowledged_by() == Strings{s.primary});
    }
    remove(db);
}

TEST_CASE(
    "two standbys, one of which was started anew and has yet to read what it alone acknowledged: it is waited for, and "
    "takes over",
    "[failover]") {
    const Replicated db(shared_stack(), "unread", {{"standbys", 2}});
    auto policy = quick_policy;
    policy["standby_timeout_ms"] = 60'000;
    db.set_policy(policy);
    REQUIRE(db.becomes_whole());
    const auto members = db.record().at("members").get<Strings>();
    const auto &unread = members[1], &other = members[2];
    // It reads no further than it must to be consistent.
    db.value_at(unread, "ALTER SYSTEM SET recovery_min_apply_delay = '1h'");
    db.value_at(unread, "SELECT pg_reload_conf()");
    Ledger ledger(db.conninfo(), {.answer_timeout = 120s});
    REQUIRE(ledger.goes_on());
    const auto receiver = db.server_process(other, "walreceiver");
    REQUIRE(receiver != 0);
    ::kill(receiver, SIGSTOP);
    CHECK(ledger.goes_on(100));
    const auto postmaster = db.postmaster(unread);
    ::kill(postmaster, SIGKILL);
    REQUIRE(eventually([&] {
        const auto now = db.postmaster(unread);
        return now != 0 && now != postmaster && answer_of(db, unread, "SELECT 1") == "1";
    }));
    db.strike_down(members[0]);
    // With what was sent to it and is not on its disk. The other one says how far it got, which is less far.
    ::kill(receiver, SIGKILL);
    CHECK(eventually([&] { return db.blocked().contains("waits for the standby " + unread); }));
    CHECK(answer_of(db, other, "SELECT count(*) FROM pg_stat_wal_receiver") == "0");
    CHECK(db.primary().empty());
    db.value_at(unread, "ALTER SYSTEM RESET recovery_min_apply_delay");
    db.value_at(unread, "SELECT pg_reload_conf()");
    CHECK(eventually([&] { return db.primary() == unread; }));
    db.scale(members[0], 1);
    check_end(db, ledger);
    remove(db);
}
