// What looks like a failure and is none: nobody may be promoted for it.
#include "scenario.hpp"

#include <fmt/format.h>

#include <csignal>
#include <thread>

using namespace toygres;
using namespace toygres::test;
using namespace std::chrono_literals;

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

TEST_CASE(
    "the primary's server stalls for half a second again and again: no failover [cnpg #10445 'spurious failovers']",
    "[failover]") {
    Scene s;
    for (int stall = 0; stall < 6; ++stall) {
        Frozen server(s.db.server_processes(s.primary));
        std::this_thread::sleep_for(500ms);
        server.thaw();
        CHECK(s.ledger.goes_on());
    }
    s.check_end(0);
}

TEST_CASE(
    "the primary is busy with checkpoints and sorts: no failover, the standby stays synchronous [cnpg #10445; pg-ha "
    "'long checkpoint']",
    "[failover]") {
    Scene s;
    {
        std::vector<std::jthread> load;
        for (int client = 0; client < 4; ++client)
            load.emplace_back([&s, client](const std::stop_token& stop) {
                pqxx::connection connection(s.db.conninfo_of(s.primary));
                while (!stop.stop_requested())
                    pqxx::nontransaction(connection)
                        .exec(client == 0 ? "CHECKPOINT"
                                          : "SELECT count(*) FROM (SELECT random() r FROM generate_series(1, 300000) "
                                            "ORDER BY 1) s");
            });
        CHECK(s.ledger.goes_on(1'000));
    }
    s.check_end(0);
}

TEST_CASE(
    "the Kubernetes API stands still: the instance serves on, and nothing is changed when it is back [zalando #354; "
    "patroni dcs_failsafe_mode]",
    "[failover]") {
    Scene s;
    Ledger direct(s.db.conninfo_of(s.primary));
    REQUIRE(direct.goes_on());
    const auto [a, b] = std::pair(s.db.postmaster(s.primary), s.db.postmaster(s.standby));
    {
        Frozen cluster({s.db.stack().cluster_pid()});
        // Longer than a primary that says nothing is waited for.
        CHECK(direct.goes_on(1'000));
    }
    direct.stop();
    s.check_end(0);
    CHECK(s.db.postmaster(s.primary) == a);
    CHECK(s.db.postmaster(s.standby) == b);
}

TEST_CASE(
    "a superuser changes synchronous_standby_names: it is noticed, no failover is safe until it is undone, then all is "
    "as "
    "before [cnpg 'fixed parameters'; patroni 'custom synchronous_standby_names']",
    "[failover]") {
    Scene s;
    s.db.value_at(s.primary, "ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'");
    s.db.value_at(s.primary, "SELECT pg_reload_conf()");
    REQUIRE(eventually([&] { return s.db.record().at("failover_safe") == false; }));
    CHECK(s.db.stack().value(fmt::format(
              "SELECT count(*) > 0 FROM replication_events e JOIN instances i ON i.id = e.instance_id WHERE "
              "i.k8s_name = '{}' AND event_type = 'standby_lost' AND e.message LIKE '%set by somebody else%'",
              s.db.k8s_name())) == "t");
    s.db.check_refused("switchover", {}, "not_synced");
    s.db.value_at(s.primary, "ALTER SYSTEM RESET synchronous_standby_names");
    s.db.value_at(s.primary, "SELECT pg_reload_conf()");
    s.check_end(0);
}

TEST_CASE(
    "a superuser changes settings that are the agent's: the server obeys its agent after the next crash all the same "
    "[cnpg configuration_update_test 'fixed parameter'; patroni 'ALTER SYSTEM']",
    "[failover]") {
    Scene s;
    s.db.set_policy({{"crash_restart_grace_ms", 20'000}});
    for (const auto* statement :
         {"listen_addresses = ''", "ssl = 'off'", "restart_after_crash = 'on'", "work_mem = '8MB'"})
        s.db.value_at(s.primary, fmt::format("ALTER SYSTEM SET {}", statement));
    const auto postmaster = s.db.postmaster(s.primary);
    ::kill(postmaster, SIGKILL);
    REQUIRE(eventually([&] { return s.db.postmaster(s.primary) != postmaster; }));
    CHECK(s.ledger.goes_on());
    CHECK(setting(s.db, s.primary, "ssl") == "on");
    CHECK(setting(s.db, s.primary, "restart_after_crash") == "off");
    CHECK(setting(s.db, s.primary, "work_mem") == "8MB");
    s.db.value_at(s.primary, "ALTER SYSTEM RESET ALL");
    s.db.value_at(s.primary, "SELECT pg_reload_conf()");
    s.check_end(0);
}
