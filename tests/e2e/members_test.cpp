// Standbys that come and go, settings, pauses, alerts.
#include "base/asio.hpp"
#include "http/server.hpp"
#include "scenario.hpp"

#include <csignal>
#include <mutex>
#include <thread>

using namespace toygres;
using namespace toygres::test;
using namespace std::chrono_literals;

namespace {

std::string member(const Replicated& db, int number) { return db.k8s_name() + "-" + std::to_string(number); }

std::vector<std::string> names_in(const Json& record) { return record.at("members").get<std::vector<std::string>>(); }

bool has_object_of(const Replicated& db, const std::string& member) {
    return std::ranges::any_of(db.objects(), [&](const std::string& object) { return object.contains(member); });
}

// A webhook of the test's own, which refuses the first post: alerts have to come again.
class Listener {
  public:
    Listener()
        : server_(io_, {.address = "127.0.0.1", .port = 0}, [this](http::Exchange& exchange) -> asio::awaitable<void> {
              co_await exchange.respond({take(exchange.request().body) ? 204 : 503, {}, ""});
          }) {
        server_.start();
        thread_ = std::jthread([this] { io_.run(); });
    }
    ~Listener() { io_.stop(); }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(server_.port()) + "/alerts"; }
    bool heard(const std::string& event) const {
        const std::scoped_lock lock(mutex_);
        return std::ranges::any_of(alerts_, [&](const Json& a) { return a.at("event") == event; });
    }

  private:
    bool take(const std::string& body) {
        const std::scoped_lock lock(mutex_);
        const bool first = !std::exchange(refused_, true);
        if (!first) alerts_.push_back(Json::parse(body));
        return !first;
    }
    asio::io_context io_{1};
    mutable std::mutex mutex_;
    std::vector<Json> alerts_;
    bool refused_ = false;
    http::Server server_;
    std::jthread thread_;
};

}  // namespace

TEST_CASE(
    "a single instance is given a standby, which protects it, and loses it again in order [cnpg scaling_test; paf "
    "drop_node_destroy; zalando test_scaling]",
    "[failover][members]") {
    const Replicated db(shared_stack(), "growing", {{"replication", false}});
    Ledger ledger(db.conninfo());
    REQUIRE(ledger.goes_on());
    const auto added = shared_stack().cli("replication add growing --wait");
    INFO(added.output);
    REQUIRE(added.code == 0);
    CHECK(added.output.contains("synced"));
    CHECK(db.becomes_whole());
    CHECK(db.record().at("failover_safe") == true);
    const auto proven = shared_stack().cli("replication verify growing");
    INFO(proven.output);
    CHECK(proven.code == 0);
    CHECK(proven.output.contains("readable"));

    // It protects.
    db.set_policy(quick_policy);
    db.strike_down(member(db, 1));
    REQUIRE(eventually([&] { return db.primary() == member(db, 2); }));
    db.scale(member(db, 1), 1);
    REQUIRE(db.becomes_whole());
    CHECK(ledger.missing() == "");

    ledger.forget_gaps();
    const auto removed = shared_stack().cli("replication remove growing 1 --yes --wait");
    INFO(removed.output);
    REQUIRE(removed.code == 0);
    CHECK(db.state() == "single");
    CHECK(names_in(db.record()) == Strings{member(db, 2)});
    CHECK(ledger.goes_on());
    CHECK(ledger.longest_gap() < 3s);  // a planned departure is no loss of a standby
    CHECK_FALSE(has_object_of(db, member(db, 1) + "-0"));
    CHECK_FALSE(std::ranges::any_of(db.volumes(), [&](const auto& v) { return v.contains(member(db, 1)); }));
    CHECK(eventually([&] { return db.value("SELECT count(*) FROM pg_replication_slots") == "0"; }));
    CHECK(db.value("SHOW synchronous_standby_names").empty());

    // A number is never given twice.
    CHECK(shared_stack().cli("replication add growing --wait").code == 0);
    CHECK(names_in(db.record()) == Strings{member(db, 2), member(db, 3)});
    CHECK(db.becomes_whole());
    check_end(db, ledger);
    remove(db);
}

TEST_CASE(
    "an asynchronous standby beside a synchronous one: read from, never waited for [paf multi_async; patroni "
    "nosync]",
    "[failover][members]") {
    Scene scene;
    const auto& db = scene.db;
    REQUIRE(db.ask("replicas", {{"mode", "async"}, {"max_lag_bytes", 1'000'000}}).at("state") == "succeeded");
    const auto added = names_in(db.record()).back();
    CHECK(db.record().at("armed").size() == 1);
    CHECK(db.state() == "synced");
    // It is read from by the read-only Service, beside the other.
    CHECK(eventually([&] { return db.addresses_behind(db.k8s_name() + "-ro").size() == 2; }));
    const auto replicas = [&] {
        return Json::parse(shared_stack().cli("replication list " + db.name() + " -o json").output).at("replicas");
    };
    REQUIRE(replicas().size() == 3);
    CHECK(replicas()[2].at("mode") == "async");
    CHECK(eventually([&] { return replicas()[2].value("streaming", false); }));
    // Its first word of how far it is comes a moment after its stream.
    CHECK(eventually([&] { return replicas()[2].at("lag_bytes").is_number_integer(); }));
    CHECK(shared_stack().cli("replication list " + db.name()).output.contains("streaming"));
    db.check_refused("switchover", {{"target", added}}, "bad_target");
    // Its death stalls nobody.
    scene.ledger.forget_gaps();
    signal_all(db.server_processes(added), SIGKILL);
    CHECK(scene.ledger.goes_on(200));
    CHECK(db.state() == "synced");
    CHECK(eventually([&] { return replicas()[2].value("streaming", false); }));
    const auto removed = shared_stack().cli("replication remove " + db.name() + " " + added + " --yes --wait");
    INFO(removed.output);
    CHECK(removed.code == 0);
    scene.check_end(0);
}

TEST_CASE("removing the primary, a stranger or somebody twice is refused, and changes nothing [paf drop_node]",
          "[failover][members]") {
    const auto& db = at_rest();
    const auto before = db.record();
    for (const auto& [who, why] :
         {std::pair{db.primary(), "is the primary"}, {std::string("stranger"), "is not a member"}}) {
        const auto ran = shared_stack().cli("replication remove " + db.name() + " " + who + " --yes --wait");
        INFO(ran.output);
        CHECK(ran.code != 0);
        CHECK(ran.output.contains(why));
    }
    CHECK(db.record() == before);
    CHECK(shared_stack().cli("replication remove " + db.name() + " 2 < /dev/null").code != 0);
}

TEST_CASE(
    "switchover --old-primary terminate: the old primary goes with its disk, nothing is lost [paf drop_node "
    "--destroy]",
    "[failover][members]") {
    Scene scene;
    const auto& db = scene.db;
    const auto ran = shared_stack().cli("replication switchover " + db.name() + " --old-primary terminate --wait");
    INFO(ran.output);
    REQUIRE(ran.code == 0);
    CHECK(db.becomes("single"));
    CHECK(eventually([&] { return !has_object_of(db, scene.primary + "-0"); }));
    CHECK(eventually([&] { return db.record().value("standbys", Json::object()).empty(); }));
    CHECK(scene.ledger.goes_on());
    REQUIRE(db.ask("replicas").at("state") == "succeeded");
    scene.check_end(1);
}

TEST_CASE(
    "promote MEMBER: a switchover while the primary serves, a failover when it does not [cnpg kubectl promote; paf "
    "perform promotion]",
    "[failover][members]") {
    Scene scene;
    const auto& db = scene.db;
    const auto planned = shared_stack().cli("replication promote " + scene.standby + " --wait");
    INFO(planned.output);
    REQUIRE(planned.code == 0);
    CHECK(db.last_failover().at("kind") == "switchover");
    CHECK(db.primary() == scene.standby);
    REQUIRE(db.becomes_whole());
    REQUIRE(db.ask("hold").at("state") == "succeeded");
    db.strike_down(db.primary());
    REQUIRE(eventually([&] { return db.postmaster(scene.standby) == 0; }));
    REQUIRE(db.ask("resume").at("state") == "succeeded");
    const auto unplanned = shared_stack().cli("replication promote " + db.name() + " " + scene.primary + " --wait");
    INFO(unplanned.output);
    REQUIRE(eventually([&] { return db.primary() == scene.primary; }));
    db.scale(scene.standby, 1);
    scene.check_end(2);
}

TEST_CASE(
    "pause: no failover by itself until it is ended, of one instance and of all [patroni pause; paf monitor_disabled]",
    "[failover][members]") {
    Scene scene;
    const auto& db = scene.db;
    for (const auto* whose : {"--all", "one"}) {
        const auto subject = std::string(whose) == "one" ? db.name() : whose;
        const auto primary = db.primary();
        const auto epoch = db.epoch();
        REQUIRE(shared_stack().cli("replication pause " + subject + " --reason works").code == 0);
        db.strike_down(primary);
        REQUIRE(eventually([&] { return db.blocked().contains("paused"); }));
        CHECK(db.epoch() == epoch);
        CHECK(db.primary() == primary);
        REQUIRE(shared_stack().cli("replication unpause " + subject).code == 0);
        REQUIRE(eventually([&] { return db.epoch() > epoch; }));
        db.scale(primary, 1);
        REQUIRE(db.becomes_whole());
    }
    scene.check_end(2);
}

TEST_CASE(
    "switchover --wait-for-sync begins when the instance is synced again [cnpg switchoverDelay; roadmap wait_for_sync]",
    "[failover][members]") {
    Scene scene;
    const auto& db = scene.db;
    db.scale(scene.standby, 0);
    REQUIRE(db.becomes("degraded"));
    db.check_refused("switchover", Json::object(), "bad_target");
    const auto asked =
        db.stack().call("POST", "/api/v1/instances/" + db.name() + "/switchover", {{"wait_for_sync", true}});
    REQUIRE(asked.status == 202);
    db.scale(scene.standby, 1);
    CHECK(db.stack().wait_operation(operation_of(asked)).at("state") == "succeeded");
    CHECK(db.primary() == scene.standby);
    scene.check_end(1);
}

TEST_CASE(
    "settings: durability, mode and patience of an instance that runs [patroni synchronous_mode; cnpg "
    "syncreplicas_test]",
    "[failover][members]") {
    Scene scene;
    const auto& db = scene.db;
    const auto set = [&](const std::string& options) {
        const auto ran = shared_stack().cli("replication configure " + db.name() + " " + options + " --wait");
        INFO(ran.output);
        CHECK(ran.code == 0);
    };
    set("--durability strict --policy standby_timeout=2s");
    CHECK(db.record().at("durability") == "strict");
    set("--mode async");
    CHECK(db.becomes("catching_up"));
    CHECK(eventually([&] { return db.value("SHOW synchronous_standby_names").empty(); }));
    db.check_refused("switchover", Json::object(), "not_synced");
    set("--mode sync --durability degrade --policy standby_timeout=1s");
    CHECK(db.becomes("synced"));
    const auto wrong = shared_stack().cli("replication configure " + db.name() + " --policy cooldown=soon");
    CHECK(wrong.code == 2);
    CHECK(wrong.output.contains("cooldown"));
    db.set_policy(quick_policy);
    scene.check_end(0);
}

TEST_CASE("a custom check that fails makes the instance unhealthy, and no failover [roadmap custom_check_ok]",
          "[failover][members]") {
    const Replicated db(shared_stack(), "checked", {{"replication", true}, {"check_interval", "1s"}});
    Ledger ledger(db.conninfo());
    db.value("CREATE TABLE flag AS SELECT true AS up");
    REQUIRE(db.ask("replication", {{"policy", {{"custom_check", "SELECT up FROM flag"}}}}).at("state") == "succeeded");
    CHECK(eventually([&] { return db.health() == "healthy"; }));
    db.value("UPDATE flag SET up = false RETURNING up");
    CHECK(eventually([&] { return db.health() == "unhealthy"; }));
    CHECK(shared_stack().cli("events checked").output.contains("custom check"));
    db.value("UPDATE flag SET up = true RETURNING up");
    CHECK(eventually([&] { return db.health() == "healthy"; }));
    CHECK(db.failovers() == 0);
    check_end(db, ledger);
    remove(db);
}

TEST_CASE(
    "alerts: told to the webhook until it takes them, on record, in the metrics [cnpg alert rules; roadmap "
    "notification]",
    "[failover][members]") {
    Listener listener;
    Stack stack;
    stack.environment_more = "TOYGRES_ALERT_WEBHOOK=" + listener.url();
    stack.up();
    const Replicated db(stack, "watched");
    db.set_policy(quick_policy);
    Ledger ledger(db.conninfo());
    REQUIRE(ledger.goes_on());
    const auto [primary, standby] = std::pair(db.primary(), db.standby());
    db.scale(standby, 0);
    REQUIRE(db.becomes("degraded"));
    CHECK(eventually([&] { return listener.heard("alert_raised"); }));
    CHECK(stack.call("GET", "/metrics").body.contains("kind=\"unprotected\""));
    CHECK(stack.cli("replication status watched").output.contains("no standby confirms commits"));
    db.scale(primary, 0);
    CHECK(eventually([&] { return listener.heard("failover_refused"); }));
    db.scale(primary, 1);
    db.scale(standby, 1);
    REQUIRE(db.becomes_whole());
    CHECK(eventually([&] { return listener.heard("alert_cleared"); }));
    CHECK(eventually([&] { return !stack.call("GET", "/metrics").body.contains("kind=\"unprotected\""); }));
    db.strike_down(primary);
    CHECK(eventually([&] { return listener.heard("failover_begun") && listener.heard("roles_changed"); }));
    db.scale(primary, 1);
    REQUIRE(db.becomes_whole());
    CHECK(ledger.missing() == "");
    CHECK(stack.broken_invariants() == "");
}
