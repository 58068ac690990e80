// Planned changes of roles while something else goes on, or goes wrong.
#include "scenario.hpp"

#include <fmt/format.h>

#include <csignal>
#include <thread>

using namespace toygres;
using namespace toygres::test;
using namespace std::chrono_literals;

namespace {

http::Response post(const Replicated& db, const std::string& what, const Json& body = Json::object()) {
    return db.stack().call("POST", fmt::format("/api/v1/instances/{}/{}", db.name(), what), body);
}

}  // namespace

TEST_CASE("a switchover under many writers loses nothing [cnpg switchover_test; fastswitchover_test]", "[failover]") {
    Scene s(at_rest(), {.writers = 8, .pause = 0ms});
    s.ledger.forget_gaps();
    CHECK(s.db.ask("switchover").at("state") == "succeeded");
    CHECK(s.ledger.goes_on(500));
    CHECK(s.ledger.longest_gap() < 10s);
    s.check_end(1);
    CHECK(s.db.primary() == s.standby);
}

TEST_CASE("ten switchovers in a row: each is one change of roles, nothing lost [paf multi_alternate; pgo switchover]",
          "[failover]") {
    Scene s;
    for (int turn = 1; turn <= 10; ++turn) {
        CHECK(s.db.ask("switchover").at("state") == "succeeded");
        REQUIRE(s.db.becomes_whole());
        CHECK(s.db.epoch() == s.epoch + turn);
    }
    s.check_end(10);
}

TEST_CASE(
    "a switchover does not wait for long transactions: they are broken off, and what they did not commit is not there "
    "[cnpg switchover_test 'smart shutdown'; zalando #1928]",
    "[failover]") {
    Scene s;
    s.db.value("CREATE TABLE unfinished (n int)");
    pqxx::connection idle(s.db.conninfo());
    pqxx::work transaction(idle);
    transaction.exec("INSERT INTO unfinished VALUES (1)");
    const std::jthread asleep([conninfo = s.db.conninfo()] {
        try {
            pqxx::connection connection(conninfo);
            pqxx::nontransaction(connection).exec("SELECT pg_sleep(600)");
        } catch (const std::exception&) {
            return;  // with its server
        }
    });
    REQUIRE(eventually([&] {
        return s.db.value(
                   "SELECT count(*) FROM pg_stat_activity WHERE query = "
                   "'SELECT pg_sleep(600)'") == "1";
    }));
    CHECK(s.db.ask("switchover").at("state") == "succeeded");
    CHECK_THROWS_AS(transaction.commit(), pqxx::failure);
    s.check_end(1);
    CHECK(s.db.value("SELECT count(*) FROM unfinished") == "0");
    s.db.value("DROP TABLE unfinished");
}

TEST_CASE(
    "after a switchover the new primary is killed at once: it goes on or is replaced, nothing lost [paf "
    "demote_timeout_wait_primary_deadlock; cnpg #11114]",
    "[failover]") {
    Scene s;
    CHECK(s.db.ask("switchover").at("state") == "succeeded");
    ::kill(s.db.postmaster(s.standby), SIGKILL);
    check_end(s.db, s.ledger);
    CHECK(s.db.epoch() <= s.epoch + 2);
    CHECK(s.db.failovers() - s.failovers == s.db.epoch() - s.epoch);
}

TEST_CASE(
    "two switchovers are asked for at once: each that succeeds is one change of roles, the other is told why not "
    "[patroni patroni_api 'switchover in progress'; pgo trigger-switchover]",
    "[failover]") {
    Scene s;
    http::Response a;
    http::Response b;
    {
        const std::jthread first([&] { a = post(s.db, "switchover"); });
        const std::jthread second([&] { b = post(s.db, "switchover"); });
    }
    int done = 0;
    for (const auto& answer : {a, b}) {
        INFO(answer.status << " " << answer.body);
        REQUIRE((answer.status == 202 || answer.status == 409));
        if (answer.status == 409) {
            CHECK((answer.body.contains("operation_in_progress") || answer.body.contains("request_pending")));
            continue;
        }
        const auto operation = s.db.stack().wait_operation(operation_of(answer));
        INFO(operation.dump());
        if (operation.at("state") == "succeeded")
            ++done;
        else
            CHECK(operation.at("error").at("kind") == "conflict");
    }
    CHECK(done >= 1);
    s.check_end(done);
}

TEST_CASE(
    "the standby freezes in a switchover: other wishes are refused meanwhile, it is given up in time, and the old "
    "primary "
    "goes on [patroni 'switchover fails'; cnpg switchoverDelay; paf 'can't failover yet']",
    "[failover]") {
    Scene s(at_rest(), {.answer_timeout = 30s});
    // While the old primary waits for the standby it is down, and shall not be failed over for that.
    s.db.set_policy({{"crash_restart_grace_ms", 60'000}, {"silence_ms", 60'000}, {"standby_timeout_ms", 60'000}});
    Frozen server(s.db.server_processes(s.standby));
    const auto asked = post(s.db, "switchover", {{"timeout", "5s"}});
    INFO(asked.body);
    REQUIRE(asked.status == 202);
    const auto operation = operation_of(asked);
    REQUIRE(eventually([&] { return s.db.state() == "switching"; }));
    s.db.check_refused("failover", {{"force", true}}, "not_now");
    s.db.check_refused("hold", {}, "not_now");
    const auto again = post(s.db, "switchover");
    CHECK(again.status == 409);
    CHECK(again.body.contains("operation_in_progress"));
    const auto ended = s.db.stack().wait_operation(operation);
    INFO(ended.dump());
    CHECK(ended.at("state") == "failed");
    CHECK(ended.at("error").at("code") == "switchover_failed");
    server.thaw();
    check_end(s.db, s.ledger);
    CHECK(s.db.primary() == s.primary);
    CHECK(s.db.epoch() == s.epoch);
    CHECK(s.db.last_failover().at("status") == "failed");
    CHECK(s.ledger.acknowledged_by() == Strings{s.primary});
}

TEST_CASE(
    "the primary is killed in a switchover: it is completed or given up, nothing lost, nobody stays in between [paf "
    "wait_primary_draining_deadlock; timeline_fork_report_lsn_deadlock]",
    "[failover]") {
    Scene s;
    // Its last word cannot get through, so that the switchover is certainly under way.
    Frozen receiver({s.db.server_process(s.standby, "walreceiver")});
    const auto asked = post(s.db, "switchover", {{"timeout", "20s"}});
    REQUIRE(asked.status == 202);
    REQUIRE(eventually([&] { return s.db.state() == "switching"; }));
    signal_all({s.db.postmaster(s.primary), s.db.agent(s.primary)}, SIGKILL);
    receiver.thaw();
    const auto ended = s.db.stack().wait_operation(operation_of(asked));
    INFO(ended.dump());
    check_end(s.db, s.ledger);
    CHECK(s.db.epoch() <= s.epoch + 1);
    if (ended.at("state") != "succeeded") CHECK(ended.at("error").at("code") == "switchover_failed");
}

TEST_CASE(
    "a degraded instance refuses a switchover, and does it when it is synced again [patroni patroni_api; cnpg promote]",
    "[failover]") {
    Scene s;
    Frozen server(s.db.server_processes(s.standby));
    REQUIRE(s.db.becomes("degraded"));
    s.db.check_refused("switchover", {{"target", s.standby}}, "not_synced");
    s.db.check_refused("failover", {{"target", s.standby}, {"force", true}}, "not_failover_safe");
    server.thaw();
    REQUIRE(s.db.becomes_whole());
    CHECK(s.db.ask("switchover", {{"target", s.standby}}).at("state") == "succeeded");
    s.check_end(1);
}

TEST_CASE(
    "a failover by hand to a primary that is down is what the automatic one would do [cnpg fencing_test; patroni "
    "'manual failover without a leader']",
    "[failover]") {
    Scene s;
    s.db.set_policy({{"crash_restart_grace_ms", 600'000}, {"silence_ms", 600'000}});
    s.db.strike_down(s.primary);
    REQUIRE(eventually([&] { return s.db.agent(s.primary) == 0; }));
    Json done;
    REQUIRE(eventually([&] {
        done = s.db.ask("failover");
        return done.at("state") == "succeeded";
    }));
    CHECK(s.db.last_failover().at("kind") == "manual");
    CHECK(s.db.last_failover().at("data_loss_bytes") == 0);
    s.db.scale(s.primary, 1);
    s.check_end(1);
    CHECK(s.db.primary() == s.standby);
}
