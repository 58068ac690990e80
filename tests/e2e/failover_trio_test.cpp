// An instance of three members: one of two standbys has to acknowledge a commit.
#include "scenario.hpp"

#include <algorithm>

using namespace toygres;
using namespace toygres::test;
using namespace std::chrono_literals;

namespace {

const Replicated& trio_at_rest() {
    static const Replicated trio(shared_stack(), "three", {{"standbys", 2}});
    trio.set_policy(quick_policy);
    REQUIRE(trio.becomes_whole());
    return trio;
}

Strings standbys(const Replicated& db) {
    auto out = db.record().at("members").get<Strings>();
    std::erase(out, db.primary());
    return out;
}

}  // namespace

TEST_CASE(
    "one of two standbys dies: no commit waits for it, and the instance stays synchronous [cnpg syncreplicas_test "
    "'quorum'; patroni quorum_commit]",
    "[failover]") {
    Scene s(trio_at_rest(), {.answer_timeout = 120s});
    // A commit that waited for it would wait for longer than the case does.
    s.db.set_policy({{"standby_timeout_ms", 600'000}});
    s.db.scale(s.standby, 0);
    REQUIRE(eventually([&] { return s.db.agent(s.standby) == 0; }));
    CHECK(s.ledger.goes_on(200));
    // That the other one alone is waited for now is proven first.
    CHECK(s.db.becomes("synced"));
    CHECK(s.db.value_at(s.primary, "SELECT current_setting('synchronous_standby_names') LIKE 'ANY 1 %'") == "t");
    s.db.scale(s.standby, 1);
    s.check_end(0);
}

TEST_CASE(
    "both standbys die: the primary goes on alone, and both are synchronous again when they are back [paf "
    "multi_standbys; "
    "multi_ifdown]",
    "[failover]") {
    Scene s(trio_at_rest(), {.answer_timeout = 30s});
    const auto gone = standbys(s.db);
    for (const auto& member : gone) s.db.scale(member, 0);
    REQUIRE(s.db.becomes("degraded"));
    CHECK(s.ledger.goes_on());
    CHECK(s.db.record().at("failover_safe") == false);
    for (const auto& member : gone) s.db.scale(member, 1);
    s.check_end(0);
}

TEST_CASE(
    "three members, the primary is gone: the one that has most takes over, the others follow it [cnpg failover_test; "
    "paf "
    "multi_standbys]",
    "[failover]") {
    Scene s(trio_at_rest());
    s.db.strike_down(s.primary);
    REQUIRE(eventually([&] { return s.db.epoch() == s.epoch + 1 && s.db.state() == "arming"; }));
    CHECK(s.ledger.goes_on());
    s.db.scale(s.primary, 1);
    s.check_end(1);
    CHECK(s.db.value("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == "2");
}

TEST_CASE(
    "a switchover to the standby that is asked for: it takes over, the old primary and the other follow [patroni "
    "patroni_api 'switchover to a candidate'; paf multi_alternate]",
    "[failover]") {
    Scene s(trio_at_rest());
    const auto wanted = standbys(s.db).back();
    CHECK(s.db.ask("switchover", {{"target", wanted}}).at("state") == "succeeded");
    s.check_end(1);
    CHECK(s.db.primary() == wanted);
}

TEST_CASE(
    "three members, one standby is long gone when the primary dies: the other takes over [patroni quorum_commit; cnpg "
    "failoverQuorum 'R + W > N']",
    "[failover]") {
    Scene s(trio_at_rest());
    const auto [gone, left] = std::pair(standbys(s.db).front(), standbys(s.db).back());
    s.db.scale(gone, 0);
    REQUIRE(eventually([&] { return s.db.agent(gone) == 0; }));
    // For longer than a standby that is gone is waited for.
    CHECK(s.ledger.goes_on(1'000));
    s.db.strike_down(s.primary);
    REQUIRE(eventually([&] { return s.db.primary() == left; }));
    CHECK(s.ledger.goes_on());
    s.db.scale(gone, 1);
    s.db.scale(s.primary, 1);
    s.check_end(1);
}
