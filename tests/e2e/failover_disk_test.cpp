// Volumes without a byte left: file systems of their own, really full.
#include "scenario.hpp"
#include "small_volumes.hpp"

#include <fmt/format.h>

#include <csignal>

using namespace toygres;
using namespace toygres::test;

namespace {

// Null where this user may not mount; the cases have nothing to fill then.
const SmallVolumes* small_volumes() {
    if (!may_mount()) {
        WARN("this user may not mount: there is no volume to fill");
        return nullptr;
    }
    static const SmallVolumes volumes(shared_stack(), "small", {{"replication", true}, {"check_interval", "2s"}});
    volumes.db().set_policy(quick_policy);
    REQUIRE(volumes.db().becomes_whole());
    return &volumes;
}

bool alerts_of_disk(const Replicated& db, const std::string& member) {
    return db.stack().value(
               fmt::format("SELECT count(*) FROM replication r JOIN instances i ON i.id = r.instance_id, "
                           "jsonb_array_elements(r.alerts) a WHERE i.k8s_name = '{}' AND a ->> 'kind' = 'disk_low' AND "
                           "a ->> 'member' = '{}'",
                           db.k8s_name(), member)) == "1";
}

// Writes until the server cannot: a row that fits into the WAL that is there already is no proof.
bool takes_much(const Replicated& db) {
    try {
        db.value(
            "CREATE TABLE IF NOT EXISTS much (t text); INSERT INTO much SELECT repeat(md5(i::text), 30) FROM "
            "generate_series(1, 60000) i; DROP TABLE much");
        return true;
    } catch (const std::exception&) {
        return false;
    }
}

}  // namespace

TEST_CASE(
    "the primary's volume is full to the last byte: it is told, nobody is promoted, nothing acknowledged is lost, and "
    "it goes on when there is room [cnpg disk_space_test 'stops when disk is full'; zalando #2090]",
    "[failover][disk]") {
    const auto* volumes = small_volumes();
    if (volumes == nullptr) return;
    Scene s(volumes->db());
    volumes->fill(s.primary);
    CHECK_FALSE(takes_much(s.db));
    CHECK(eventually([&] { return alerts_of_disk(s.db, s.primary); }));
    CHECK(s.db.epoch() == s.epoch);
    CHECK(s.db.failovers() == s.failovers);
    volumes->make_room(s.primary);
    REQUIRE(s.db.becomes_whole());
    CHECK(takes_much(s.db));
    CHECK(eventually([&] { return !alerts_of_disk(s.db, s.primary); }));
    s.check_end(0);
}

TEST_CASE(
    "the standby's volume is full to the last byte: the primary goes on, and both are synchronous again when there is "
    "room [cnpg disk_space_test 'replica']",
    "[failover][disk]") {
    const auto* volumes = small_volumes();
    if (volumes == nullptr) return;
    Scene s(volumes->db());
    volumes->fill(s.standby);
    CHECK(takes_much(s.db));
    REQUIRE(s.db.becomes("degraded"));
    CHECK(s.ledger.goes_on());
    s.db.check_refused("switchover", {}, "bad_target");
    volumes->make_room(s.standby);
    s.check_end(0);
}

TEST_CASE(
    "both volumes are full and both servers are killed: all is as before when there is room [cnpg disk_space_test; "
    "crunchy #1821 'full pg_wal']",
    "[failover][disk]") {
    const auto* volumes = small_volumes();
    if (volumes == nullptr) return;
    Scene s(volumes->db());
    for (const auto& member : {s.primary, s.standby}) volumes->fill(member);
    for (const auto& member : {s.primary, s.standby}) s.db.signal_server(member, SIGKILL);
    CHECK(eventually([&] { return alerts_of_disk(s.db, s.primary) && alerts_of_disk(s.db, s.standby); }));
    CHECK(s.db.failovers() == s.failovers);
    for (const auto& member : {s.primary, s.standby}) volumes->make_room(member);
    s.check_end(0);
}

TEST_CASE(
    "the agents are killed while their volumes are full: what they keep there is whole, and they go on with it [cnpg "
    "disk_space_test; patroni #2101 'state file']",
    "[failover][disk]") {
    const auto* volumes = small_volumes();
    if (volumes == nullptr) return;
    Scene s(volumes->db());
    for (const auto& member : {s.primary, s.standby}) {
        volumes->fill(member);
        const auto agent = s.db.agent(member);
        ::kill(agent, SIGKILL);
        CHECK(eventually([&] { return s.db.agent(member) != agent && s.db.agent(member) != 0; }));
        volumes->make_room(member);
        REQUIRE(s.db.becomes_whole());
    }
    s.check_end_after_one_at_most();
}
