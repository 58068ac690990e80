// What looks like a failure and is none: nobody may be promoted for it.
#include "base/file.hpp"
#include "faulty_api.hpp"
#include "scenario.hpp"
#include "slow_resolver.hpp"
#include "small_volumes.hpp"

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

namespace {

// A server whose clock is set by hand, in the place of the stack's own.
class SetClock {
  public:
    explicit SetClock(Stack& stack)
        : file_(stack.directory + "/clock"),
          server_(stack, {.environment = {"LD_PRELOAD=" TOYGRES_FAKETIME, "FAKETIME_TIMESTAMP_FILE=" + set("+0"),
                                          "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"}}) {}
    // "+3600": an hour fast. The file that says so.
    const std::string& set(const std::string& offset) const {
        write_file_atomically(file_, offset + "\n", 0644).value();
        return file_;
    }

  private:
    std::string file_;
    Stack::StandIn server_;
};

#ifdef __has_feature
constexpr bool sanitized = __has_feature(address_sanitizer);
#else
constexpr bool sanitized = false;
#endif

}  // namespace

TEST_CASE(
    "the server's clock is set forward, then back by hours: no failover, the looks go on, and a switchover and a "
    "failover are made as ever [patroni 'clock jump'; duroxide lock times by the node's clock]",
    "[failover]") {
    if (sanitized) {
        WARN("libfaketime cannot be loaded before the runtime of AddressSanitizer");
        return;
    }
    Scene s;
    {
        const SetClock clock(s.db.stack());
        for (const auto* offset : {"+7200", "-3000", "+0"}) {
            INFO(offset);
            clock.set(offset);
            CHECK(s.ledger.goes_on(300));
            CHECK(s.db.epoch() == s.epoch);
            s.db.set_policy({{"custom_check", "SELECT false"}});
            CHECK(eventually([&] { return s.db.health() == "unhealthy"; }));
            s.db.set_policy({{"custom_check", ""}});
            CHECK(eventually([&] { return s.db.health() == "healthy"; }));
        }
        clock.set("+7200");
        REQUIRE(s.db.ask("switchover").at("state") == "succeeded");
        REQUIRE(s.db.becomes_whole());
        clock.set("-3000");
        s.db.set_policy({{"crash_restart_grace_ms", 0}, {"cooldown_ms", 1}});
        s.db.scale(s.standby, 0);
        REQUIRE(eventually([&] { return s.db.primary() == s.primary; }));
        s.db.scale(s.standby, 1);
        REQUIRE(s.db.becomes_whole());
    }
    s.check_end(2);
}

TEST_CASE(
    "the Kubernetes API answers with errors, then not at all: no failover, the monitor goes on when it is well [cnpg "
    "'apiserver unreachable'; zalando #354]",
    "[failover]") {
    Scene s;
    FaultyApi api(s.db.stack().directory);
    const Stack::StandIn server(s.db.stack(), {.kubeconfig = api.kubeconfig()});
    CHECK(eventually([&] { return api.passed_on() > 10; }));
    api.be(FaultyApi::Mood::errors);
    // Longer than a primary that says nothing is waited for.
    CHECK(s.ledger.goes_on(1'000));
    CHECK(eventually([&] { return api.failed() > 10; }));
    api.be_silent(true);
    CHECK(eventually([&] { return api.unanswered() > 2; }));
    CHECK(s.ledger.goes_on(1'000));
    api.be_silent(false);
    api.be(FaultyApi::Mood::well);
    const auto passed_on = api.passed_on();
    CHECK(eventually([&] { return api.passed_on() > passed_on + 5; }));
    s.check_end(0);
}

TEST_CASE(
    "every other request to the Kubernetes API fails: a switchover and a failover are made all the same [cnpg "
    "operator_unavailable_test; zalando #354]",
    "[failover]") {
    Scene s;
    FaultyApi api(s.db.stack().directory);
    const Stack::StandIn server(s.db.stack(), {.kubeconfig = api.kubeconfig()});
    api.be(FaultyApi::Mood::every_other);
    REQUIRE(s.db.ask("switchover").at("state") == "succeeded");
    REQUIRE(s.db.becomes_whole());
    s.db.set_policy({{"crash_restart_grace_ms", 0}});
    s.db.scale(s.standby, 0);
    REQUIRE(eventually([&] { return s.db.primary() == s.primary; }));
    s.db.scale(s.standby, 1);
    REQUIRE(s.db.becomes_whole());
    CHECK(api.failed() > 10);
    api.be(FaultyApi::Mood::well);
    s.check_end(2);
}

TEST_CASE(
    "names are answered slowly: a standby that has to connect anew takes longer, and nobody is promoted [zalando #1026 "
    "'slow dns'; cnpg #10445]",
    "[failover]") {
    if (!may_mount()) {
        WARN("this user may not mount: names come from the cluster's list");
        return;
    }
    Scene s;
    {
        const SlowResolver resolver(s.db, s.standby, 2s);
        ::kill(s.db.server_process(s.standby, "walreceiver"), SIGKILL);
        CHECK(s.ledger.goes_on(500));
        REQUIRE(s.db.becomes_whole());
        CHECK(resolver.answers() > 0);
    }
    s.check_end(0);
}
