// Records the golden histories that tests/unit/orchestrations/golden_test.cpp replays: what the orchestrations of this
// release did for real. Run by hand at a release, or when an orchestration is new:
//   TOYGRES_GOLDEN_DIRECTORY=tests/golden build/release/tests/e2e "[golden]"
#include "base/file.hpp"
#include "scenario.hpp"

#include <fmt/format.h>

#include <cstdlib>

using namespace toygres;
using namespace toygres::test;

namespace {

constexpr std::size_t events_max = 250;  // a beginning is a history too

// Of the first execution of the newest orchestration of that name whose id begins so.
void record(const Stack& stack, const std::string& name, const std::string& id_prefix, const std::string& what) {
    const char* directory = std::getenv("TOYGRES_GOLDEN_DIRECTORY");
    REQUIRE(directory != nullptr);
    const auto rows = stack.sql(fmt::format(
        "SELECT o.version, h.events::text FROM orchestrations o JOIN history h ON h.key = o.key AND h.execution = 1 "
        "WHERE o.key = (SELECT max(key) FROM orchestrations WHERE name = '{}' AND id LIKE '{}%') ORDER BY "
        "h.first_event",
        name, id_prefix));
    REQUIRE(!rows.empty());
    Json events = Json::array();
    for (const auto& row : rows)
        for (const auto& event : Json::parse(row[1].as<std::string>()))
            if (events.size() < events_max) events.push_back(event);
    const auto version = rows[0][0].as<int>();
    std::string text = fmt::format("{{\"orchestration\": \"{}\", \"version\": {}, \"events\": [", name, version);
    for (std::size_t i = 0; i < events.size(); ++i) text += (i == 0 ? "\n" : ",\n") + events[i].dump();
    value_or_raise(
        write_file_atomically(fmt::format("{}/{}-v{}-{}.json", directory, name, version, what), text + "\n]}\n", 0644));
}

}  // namespace

TEST_CASE("golden histories of this release", "[.][golden]") {
    Stack stack;
    stack.environment_more = "TOYGRES_ALERT_WEBHOOK=http://127.0.0.1:1/nobody";
    stack.up();
    const Replicated db(stack, "golden", {{"replication", true}, {"check_interval", "2s"}});
    db.set_policy(quick_policy);
    REQUIRE(db.becomes_whole());
    REQUIRE(db.ask("switchover").at("state") == "succeeded");
    REQUIRE(db.becomes_whole());
    const auto primary = db.primary();
    db.strike_down(primary);
    REQUIRE(eventually([&] { return db.epoch() == 3; }));
    db.scale(primary, 1);
    REQUIRE(db.becomes_whole());
    REQUIRE(db.ask("verify").at("state") == "succeeded");
    const Replicated alone(stack, "alone", {{"replication", false}, {"check_interval", "1s"}});
    REQUIRE(eventually([&] {
        return stack.value(
                   "SELECT count(*) > 30 FROM history h JOIN orchestrations o ON o.key = h.key WHERE "
                   "o.id = '" +
                   alone.monitor() + "'") == "t";
    }));
    record(stack, "health_check", db.monitor(), "replicated");
    record(stack, "health_check", alone.monitor(), "single");
    record(stack, "create_instance", "create-" + db.k8s_name(), "replicated");
    record(stack, "create_instance", "create-" + alone.k8s_name(), "single");
    record(stack, "verify_replication", "verify-", "one-standby");
    record(stack, "supervisor", "", "beginning");
    record(stack, "keep_certificates", "", "beginning");
    record(stack, "post_alert", "", "nobody-listens");
    REQUIRE(alone.ask("rotate-password").at("state") == "succeeded");
    record(stack, "rotate_password", "", "single");
    remove(alone);
    record(stack, "delete_instance", "delete-" + alone.k8s_name(), "single");
}

TEST_CASE("golden history of a repair of this release", "[.][golden][drift]") {
    Stack stack;
    stack.up();
    const Replicated alone(stack, "alone", {{"replication", false}});
    const auto kubectl = fmt::format("KUBECONFIG={} kubectl ", stack.kubeconfig());
    const auto labels = "app.kubernetes.io/managed-by=toygres toygres.io/instance=ghost toygres.io/installation=" +
                        stack.value("SELECT id FROM installation");
    REQUIRE(shell(kubectl + "create configmap ghost && " + kubectl + "label configmap ghost " + labels).code == 0);
    REQUIRE(shell(kubectl + "delete service " + alone.k8s_name() + "-ro").code == 0);
    REQUIRE(stack.cli("orchestrations pause supervisor").code == 0);
    REQUIRE(stack.cli("orchestrations terminate " + alone.monitor() + " --reason golden --yes").code == 0);
    REQUIRE(eventually([&] { return stack.cli("drift").output.contains("monitor_missing"); }));
    const auto repaired = stack.cli("drift --repair --grace 0s --yes");
    INFO(repaired.output);
    REQUIRE(repaired.code == 0);
    record(stack, "repair_drift", "repair-drift", "three-actions");
}

// By itself: it needs no instance.
TEST_CASE("golden history of a schedule of this release", "[.][golden][schedules]") {
    Stack stack;
    stack.up();
    const std::string path = "/api/v1/schedules/golden";
    const auto shows = [&](const std::string& key, const Json& value) {
        return eventually([&] { return Json::parse(stack.call("GET", path).body).value(key, Json()) == value; });
    };
    // The run goes on for a day: this server has no webhook.
    const Json spec = {{"cron", "0 12 1 1 *"}, {"type", "post_alert"}, {"input", {{"alert", {{"id", "1"}}}}}};
    auto body = spec;
    body["name"] = "golden";
    REQUIRE(stack.call("POST", "/api/v1/schedules", body).status == 201);
    REQUIRE(shows("started", 0));
    stack.call("POST", path + "/trigger");
    REQUIRE(shows("started", 1));
    stack.call("POST", path + "/trigger");
    REQUIRE(shows("skipped", 1));
    stack.call("POST", path + "/pause", {{"note", "a pause"}});
    REQUIRE(shows("paused", true));
    stack.call("POST", path + "/resume");
    REQUIRE(shows("paused", false));
    auto other = spec;
    other["overlap"] = "buffer_one";
    stack.call("PUT", path, other);
    REQUIRE(shows("overlap", "buffer_one"));
    record(stack, "schedule", "schedule-golden", "to-its-change");
}
