// A primary that neither the control plane nor the standby hears any more, and that still serves whoever reaches it:
// its agent and its walsender are stopped, everything else of it runs.
#include "ha/topology.hpp"
#include "scenario.hpp"

#include <fmt/format.h>

#include <csignal>
#include <filesystem>

using namespace toygres;
using namespace toygres::test;
using namespace std::chrono_literals;

namespace {

// A client that only ever speaks to the primary of the beginning, whatever becomes of it, and waits for its answers.
struct Split : Scene {
    enum class Cut { anywhere, between_flush_and_answer };

    explicit Split(Cut cut = Cut::anywhere) : pinned(db.conninfo_of(primary), {.answer_timeout = 60s}) {
        REQUIRE(pinned.goes_on());
        if (cut == Cut::anywhere) {
            silence();
        } else {
            // The standby has these commits, and says so to nobody who listens.
            Frozen receiver({db.server_process(standby, "walreceiver")});
            await_writers_waiting();
            silence();
        }
        REQUIRE(eventually([&] { return db.primary() == standby; }));
        CHECK(ledger.goes_on());
    }

    // Both of the pinned writers wait for an acknowledgement that nobody gives.
    void await_writers_waiting() const {
        REQUIRE(eventually([&] {
            return db.value_at(primary,
                               "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND "
                               "query LIKE 'INSERT INTO " +
                                   pinned.table() + "%'") == "2";
        }));
    }

    void silence() { silent.emplace(std::vector{db.agent(primary), db.server_process(primary, "walsender")}); }

    void heal() {
        silent->thaw();
        // Whose answer nobody waits for any more: the server ends with its sessions.
        REQUIRE(eventually([&] { return db.is_whole(); }));
        pinned.stop();
    }

    Ledger pinned;
    std::optional<Frozen> silent;
};

std::string on_old(const Split& s, const std::string& query) { return s.db.value_at(s.primary, query); }

// Both members hold the same rows of the table.
bool agree(const Replicated& db, const std::string& table) {
    const auto query = fmt::format("SELECT md5(coalesce(string_agg(id::text, ',' ORDER BY id), '')) FROM {}", table);
    return db.value_at(db.primary(), query) == db.value_at(db.standby(), query);
}

}  // namespace

TEST_CASE(
    "a primary that is cut off from all but a client acknowledges nothing to it once another was promoted [paf "
    "basic_operation 'detect partition'; cnpg self_fencing_test 'will terminate an isolated primary'; jepsen]",
    "[failover]") {
    Split s;
    const auto acknowledged = s.pinned.acknowledged();
    s.await_writers_waiting();
    CHECK(s.ledger.goes_on(300));
    CHECK(s.pinned.acknowledged() == acknowledged);
    s.heal();
    s.check_end(1);
    // The standby's answer to the last commits may have been on its way when the primary was cut off: it arrives in the
    // end, and what it acknowledges is with the new primary.
    CHECK(s.pinned.acknowledged() <= acknowledged + 2);
    CHECK(s.pinned.missing(s.db.conninfo()) == "");
    CHECK(s.ledger.two_at_once(&s.pinned) == "");
}

TEST_CASE(
    "commits that the standby flushed before the cut are acknowledged by the old primary after it, and the new primary "
    "has them [jepsen]",
    "[failover]") {
    Split s(Split::Cut::between_flush_and_answer);
    const auto acknowledged = s.pinned.acknowledged();
    s.await_writers_waiting();
    signal_all({s.db.server_process(s.primary, "walsender")}, SIGCONT);
    CHECK(eventually([&] { return s.pinned.acknowledged() == acknowledged + 2; }));
    s.heal();
    s.check_end(1);
    CHECK(s.pinned.acknowledged() == acknowledged + 2);
    CHECK(s.pinned.missing(s.db.conninfo()) == "");
    CHECK(s.ledger.two_at_once(&s.pinned) == "");
}

TEST_CASE(
    "rows that a cut-off primary committed and never acknowledged are gone when it follows [jepsen 'ghost rows'; "
    "patroni basic_replication 'rejoin']",
    "[failover]") {
    Split s;
    const auto acknowledged = s.pinned.acknowledged();
    const auto rows = [&] { return std::stoul(on_old(s, "SELECT count(*) FROM " + s.pinned.table())); };
    // Whoever ends a session that waits makes its commit visible there.
    REQUIRE(eventually([&] {
        on_old(s, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
        return rows() > acknowledged;
    }));
    CHECK(s.pinned.acknowledged() == acknowledged);
    s.heal();
    CHECK(eventually([&] { return agree(s.db, s.pinned.table()); }));
    s.check_end(1);
    CHECK(s.pinned.acknowledged() == acknowledged);
    CHECK(s.pinned.missing(s.db.conninfo()) == "");
    CHECK(s.ledger.two_at_once(&s.pinned) == "");
}

TEST_CASE(
    "a table that a session without the promise wrote to a cut-off primary is gone when it was rewound [patroni "
    "basic_replication 'rejoin with pg_rewind after splitbrain'; paf timeline_fork_3node_auto_detect]",
    "[failover]") {
    Split s;
    on_old(s, "SET synchronous_commit = local; CREATE TABLE splitbrain AS SELECT generate_series(1, 10000) AS id");
    CHECK(on_old(s, "SELECT count(*) FROM splitbrain") == "10000");
    CHECK(s.db.value("SELECT to_regclass('splitbrain') IS NULL") == "t");
    s.heal();
    CHECK(on_old(s, "SELECT pg_is_in_recovery() AND to_regclass('splitbrain') IS NULL") == "t");
    s.check_end(1);
}

TEST_CASE(
    "a superuser makes a cut-off primary acknowledge alone: the ledger sees what is lost by that [cnpg #7407 'split "
    "brain'; pg-ha 'ssn relaxed by hand']",
    "[failover]") {
    Split s;
    on_old(s, "ALTER SYSTEM SET synchronous_standby_names = ''");
    on_old(s, "SELECT pg_reload_conf()");
    CHECK(s.pinned.goes_on());
    s.heal();
    s.check_end(1);
    CHECK(s.pinned.missing(s.db.conninfo()) != "");
    CHECK(s.ledger.two_at_once(&s.pinned) != "");
}

TEST_CASE(
    "a stranger that streams under a standby's name of an earlier epoch cannot acknowledge for it [patroni "
    "basic_replication 'duplicate name rejected'; cnpg #10409]",
    "[failover]") {
    const auto& db = at_rest();
    const auto stranger = ha::stream_name(db.primary(), db.epoch());
    REQUIRE(db.ask("switchover").at("state") == "succeeded");
    REQUIRE(db.becomes_whole());
    Scene s(db, {.answer_timeout = 120s});
    s.db.set_policy({{"standby_timeout_ms", 600'000}});
    const auto directory = fmt::format("{}/received-{}", db.stack().directory, db.epoch());
    std::filesystem::create_directory(directory);
    const auto command = fmt::format(
        "PGPASSWORD={} exec pg_receivewal -D {} --synchronous --no-loop -d 'host={} port=5432 sslmode=require user={} "
        "application_name={}'",
        db.secret(db.k8s_name() + "-replication", "password"), directory, db.address(s.primary),
        db.secret(db.k8s_name() + "-replication", "username"), stranger);
    const std::jthread receiver([&] { shell(command); });
    const auto of_stranger = [&](const std::string& what) {
        return db.value_at(
            s.primary, fmt::format("SELECT {} FROM pg_stat_replication WHERE application_name = '{}'", what, stranger));
    };
    REQUIRE(eventually([&] { return of_stranger("state") == "streaming"; }));
    {
        Frozen server(db.server_processes(s.standby));
        // Commits wait, and have done so for seconds, although the stranger has all that was written.
        REQUIRE(eventually([&] {
            return db.value_at(s.primary,
                               "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND "
                               "clock_timestamp() - query_start > '2 s'") == "2" &&
                   of_stranger("flush_lsn >= pg_current_wal_flush_lsn()") == "t";
        }));
        CHECK(of_stranger("sync_state") == "async");
        CHECK(db.state() == "synced");
    }
    of_stranger("pg_terminate_backend(pid)");
    s.check_end(0);
}
