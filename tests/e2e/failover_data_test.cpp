// What becomes of data: volumes that are lost, damaged or full, and data that cannot be followed on.
#include "scenario.hpp"

#include <fmt/format.h>

#include <csignal>
#include <filesystem>
#include <fstream>

using namespace toygres;
using namespace toygres::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

// Ends the server without its agent starting it again until `change` is made to what it left.
void change_data(const Replicated& db, const std::string& member,
                 const std::function<void(const std::string& data)>& change) {
    Frozen agent({db.agent(member)});
    const auto pids = db.server_processes(member);
    ::kill(pids.front(), SIGKILL);
    REQUIRE(eventually([&] {
        return std::ranges::none_of(pids, [](int pid) { return fs::exists(fmt::format("/proc/{}/exe", pid)); });
    }));
    change(db.data_directory(member));
}

void lose(const std::string& data) { fs::remove_all(data); }

// As a disk does that has lost the end of a file.
void tear(const std::string& data) { fs::resize_file(data + "/global/pg_control", 100); }

// As one does that returns what nobody wrote.
void damage(const std::string& data) {
    std::ofstream(data + "/global/pg_control", std::ios::binary | std::ios::trunc) << std::string(8192, 'x');
}

std::string identity(const Replicated& db) { return db.value("SELECT system_identifier FROM pg_control_system()"); }

}  // namespace

TEST_CASE(
    "the primary's control file is torn and it cannot start again: the standby takes over, the torn data is replaced "
    "by itself [patroni recovery 'crashed primary demotes after failed attempt to start']",
    "[failover]") {
    Scene s;
    change_data(s.db, s.primary, tear);
    REQUIRE(eventually([&] { return s.db.primary() == s.standby; }));
    s.check_end(1);
}

TEST_CASE(
    "the primary's control file holds nonsense and it cannot start again: the standby takes over, the damaged data is "
    "replaced by itself [cnpg pg_data_corruption_test]",
    "[failover]") {
    Scene s;
    change_data(s.db, s.primary, damage);
    REQUIRE(eventually([&] { return s.db.primary() == s.standby; }));
    s.check_end(1);
}

TEST_CASE(
    "the primary's data is gone: the standby takes over, and nobody starts an empty primary [cnpg pvc_deletion_test; "
    "unrecoverable_pending_instance_test]",
    "[failover]") {
    Scene s;
    const auto before = identity(s.db);
    change_data(s.db, s.primary, lose);
    REQUIRE(eventually([&] { return s.db.primary() == s.standby; }));
    s.check_end(1);
    CHECK(identity(s.db) == before);
}

TEST_CASE(
    "the primary's data is gone while no standby is proven: nothing is promoted and nothing initialised anew until an "
    "operator accepts the loss [paf guard_data_loss; cnpg failoverQuorum]",
    "[failover]") {
    const auto& db = at_rest();
    const auto [primary, standby, epoch, before] = std::tuple(db.primary(), db.standby(), db.epoch(), identity(db));
    db.scale(standby, 0);
    REQUIRE(db.becomes("degraded"));
    db.value("CREATE TABLE only_here (n int)");
    change_data(db, primary, lose);
    db.scale(standby, 1);
    REQUIRE(eventually([&] { return db.blocked().contains("no standby is proven"); }));
    CHECK(writable(db).empty());
    CHECK(db.epoch() == epoch);
    REQUIRE(eventually([&] { return db.members_labelled("replica") == Strings{standby}; }));
    db.check_refused("failover", {}, "not_failover_safe");
    const auto consented = db.ask("failover", {{"allow_data_loss", true}, {"reason", "its disk is gone"}});
    INFO(consented.dump());
    CHECK(consented.at("state") == "succeeded");
    CHECK(db.becomes_whole());
    CHECK(db.primary() == standby);
    CHECK(db.epoch() == epoch + 1);
    CHECK(db.last_failover().at("kind") == "manual");
    CHECK(identity(db) == before);
    CHECK(db.value("SELECT to_regclass('only_here') IS NULL") == "t");
    CHECK(db.stack().broken_invariants() == "");
}

TEST_CASE("the standby's data is gone: it is cloned afresh by itself [cnpg pvc_deletion_test; patroni reinitialize]",
          "[failover]") {
    Scene s;
    change_data(s.db, s.standby, lose);
    CHECK(eventually([&] { return fs::exists(s.db.data_directory(s.standby) + "/PG_VERSION"); }));
    s.check_end(0);
}

TEST_CASE(
    "the standby's control file is damaged: the primary goes on alone, and a resync replaces it [cnpg "
    "pg_data_corruption_test; patroni reinitialize]",
    "[failover]") {
    Scene s;
    change_data(s.db, s.standby, damage);
    REQUIRE(s.db.becomes("degraded"));
    CHECK(s.ledger.goes_on());
    CHECK(s.db.ask("resync").at("state") == "succeeded");
    s.check_end(0);
}

TEST_CASE(
    "what the old primary would need to be rewound is gone: it is cloned afresh by itself [cnpg #9637 'rewind fails'; "
    "zalando #1406]",
    "[failover]") {
    Scene s;
    s.db.strike_down(s.primary);
    REQUIRE(eventually([&] { return s.db.primary() == s.standby && s.db.agent(s.primary) == 0; }));
    for (const auto& entry : fs::directory_iterator(s.db.data_directory(s.primary) + "/pg_wal"))
        if (entry.is_regular_file()) fs::remove(entry.path());
    s.db.scale(s.primary, 1);
    s.check_end(1);
}

TEST_CASE(
    "a process of a crashed primary hangs on to its memory: it is ended, and the server starts again in place [cnpg "
    "'stale postmaster.pid'; patroni recovery]",
    "[failover]") {
    Scene s;
    s.db.set_policy({{"crash_restart_grace_ms", 20'000}});
    const auto hanging = s.db.server_process(s.primary, "checkpointer");
    REQUIRE(hanging != 0);
    const auto before = s.db.server_processes(s.primary);
    ::kill(hanging, SIGSTOP);
    ::kill(before.front(), SIGKILL);
    REQUIRE(eventually([&] {
        const auto next = s.db.postmaster(s.primary);
        return next != 0 && std::ranges::find(before, next) == before.end();
    }));
    CHECK_FALSE(fs::exists(fmt::format("/proc/{}/exe", hanging)));
    s.check_end(0);
}

TEST_CASE(
    "the primary fails while its volume is full: nothing is promoted, the reason is on record, and it goes on when "
    "there is room [cnpg disk_space_test 'being able to recover']",
    "[failover]") {
    Scene s;
    s.db.set_policy({{"disk_reserve_bytes", std::int64_t{1} << 60}});
    const auto control = s.db.data_directory(s.primary) + "/global/pg_control";
    change_data(s.db, s.primary, [&](const std::string&) { fs::rename(control, control + ".aside"); });
    REQUIRE(eventually([&] { return s.db.blocked().contains("volume is full"); }));
    CHECK(s.db.epoch() == s.epoch);
    CHECK(
        s.db.stack().value(fmt::format("SELECT count(*) > 0 FROM replication_events e JOIN instances i ON i.id = "
                                       "e.instance_id WHERE i.k8s_name = '{}' AND event_type = 'failover_refused' AND "
                                       "e.message LIKE '%full%'",
                                       s.db.k8s_name())) == "t");
    s.db.check_refused("switchover", {}, "primary_unhealthy");
    fs::rename(control + ".aside", control);
    s.check_end(0);
    CHECK(s.db.blocked().empty());
}

TEST_CASE(
    "the standby stayed away until the WAL that it needs was gone: it is cloned afresh by itself [cnpg "
    "replication_slot_test; patroni permanent_slots 'lost slot']",
    "[failover]") {
    Scene s;
    const auto settings = [&](const std::string& statement) {
        for (const auto* name : {"max_slot_wal_keep_size", "wal_keep_size"})
            s.db.value_at(s.primary, fmt::format(fmt::runtime(statement), name));
        s.db.value_at(s.primary, "SELECT pg_reload_conf()");
    };
    s.db.scale(s.standby, 0);
    REQUIRE(s.db.becomes("degraded"));
    settings("ALTER SYSTEM SET {} = '1MB'");
    REQUIRE(eventually([&] {
        s.db.value_at(s.primary, "SELECT pg_switch_wal()");
        s.db.value_at(s.primary, "CHECKPOINT");
        return s.db.value_at(s.primary, "SELECT count(*) FROM pg_replication_slots WHERE wal_status = 'lost'") == "1" ||
               s.db.value_at(s.primary, "SELECT bool_and(restart_lsn IS NULL) FROM pg_replication_slots") == "t";
    }));
    s.db.scale(s.standby, 1);
    REQUIRE(s.db.becomes_whole());
    settings("ALTER SYSTEM RESET {}");
    s.check_end(0);
}
