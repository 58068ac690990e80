#include "orchestrations/tend_replication.hpp"
#include "world.hpp"

using namespace toygres;
using namespace toygres::test;

namespace {

// An instance that runs, as far as the CMS knows, and whose monitor there is.
std::string running(World& world, const std::string& name, Json more = Json::object()) {
    more["name"] = name;
    const auto made = json_of(world.call("POST", "/api/v1/instances", more));
    const auto k8s_name = made.at("/instance/k8s_name"_json_pointer).get<std::string>();
    world.sql("SELECT set_instance_state(id, 'running', 'test', NULL, NULL, 'up') FROM instances WHERE user_name = '" +
              name + "'");
    run(world.io, world.client.start({.id = "health-" + k8s_name, .name = "health_check", .input = {}}));
    return k8s_name;
}

}  // namespace

TEST_CASE("replication: an instance has a synchronous standby unless it is asked for otherwise") {
    World world;
    const auto members = [&](const std::string& name, Json more) {
        more["name"] = name;
        REQUIRE(world.call("POST", "/api/v1/instances", more).status == 202);
        return json_of(world.call("GET", "/api/v1/instances/" + name)).at("replication");
    };
    const auto usual = members("usual", Json::object());
    CHECK(usual.at("mode") == "sync");
    CHECK(usual.at("durability") == "degrade");
    CHECK(usual.at("state") == "creating");
    CHECK(usual.at("failover_safe") == false);
    REQUIRE(usual.at("members").size() == 2);
    CHECK(usual.at("members")[0].at("role") == "primary");
    CHECK(usual.at("members")[1].at("role") == "replica");
    CHECK(members("alone", {{"replication", false}}).at("members").size() == 1);
    CHECK(members("three", {{"standbys", 2}, {"durability", "strict"}}).at("members").size() == 3);
    CHECK(members("async", {{"replication_mode", "async"}}).at("mode") == "async");
}

TEST_CASE("replication: wrong wishes are refused together, by field, and nothing is made") {
    World world;
    const auto response =
        world.call("POST", "/api/v1/instances",
                   {{"name", "mydb"}, {"standbys", 9}, {"replication_mode", "maybe"}, {"durability", "none"}});
    CHECK(response.status == 400);
    CHECK(fields_of(response) == std::vector<std::string>{"standbys", "replication_mode", "durability"});
    const auto contradiction =
        world.call("POST", "/api/v1/instances", {{"name", "mydb"}, {"replication", false}, {"standbys", 1}});
    CHECK(fields_of(contradiction) == std::vector<std::string>{"replication"});
    CHECK(world.sql("SELECT 1 FROM instances").empty());
}

TEST_CASE("replication: a change is an operation of the monitor, one at a time") {
    World world;
    const auto k8s_name = running(world, "mydb");
    const auto response =
        world.call("POST", "/api/v1/instances/mydb/switchover", {{"target", "2"}, {"reason", "maintenance"}});
    REQUIRE(response.status == 202);
    const auto operation = json_of(response).at("operation");
    CHECK(operation.at("kind") == "switchover");
    CHECK(operation.at("orchestration") == "health-" + k8s_name);
    const auto request =
        decode<ha::Request>(world.sql("SELECT request FROM replication WHERE request IS NOT NULL")[0].get<Json>(0));
    CHECK(request.kind == "switchover");
    CHECK(request.target == k8s_name + "-2");
    CHECK(operation.at("id") == request.operation);
    CHECK(request.actor == "writer");
    // It is woken.
    CHECK(world.sql("SELECT 1 FROM inbox WHERE kind = 'signal' AND name = 'wake'").size() == 1);
    CHECK(code_of(world.call("POST", "/api/v1/instances/mydb/failover", {{"force", true}})) == "request_pending");
    CHECK(world.sql("SELECT 1 FROM operations WHERE kind = 'failover'").empty());
}

TEST_CASE("replication: what cannot be asked for is refused with its reason and changes nothing") {
    World world;
    CHECK(world.call("POST", "/api/v1/instances/nobody/switchover").status == 404);
    CHECK(world.call("GET", "/api/v1/instances/nobody/replication").status == 404);
    REQUIRE(world.call("POST", "/api/v1/instances", {{"name", "mydb"}}).status == 202);
    CHECK(code_of(world.call("POST", "/api/v1/instances/mydb/switchover")) == "instance_not_running");
    running(world, "other");
    const auto wrong = world.call("POST", "/api/v1/instances/other/failover",
                                  {{"timeout", "soon"}, {"old_primary_action", "explode"}});
    CHECK(wrong.status == 400);
    CHECK(fields_of(wrong) == std::vector<std::string>{"timeout", "old_primary_action"});
    CHECK(world.call("POST", "/api/v1/instances/other/failover", {{"unknown", 1}}).status == 400);
    CHECK(world.sql("SELECT 1 FROM replication WHERE request IS NOT NULL").empty());
    auto as_reader = world.request("POST", "/api/v1/instances/other/switchover");
    as_reader.headers.set("Authorization", "Bearer " + world.reader);
    CHECK(world.send(as_reader).status == 403);
}

TEST_CASE("replication: is shown with its changes of roles") {
    World world;
    running(world, "mydb");
    world.sql(
        "INSERT INTO failovers (id, instance_id, kind, status, old_primary, new_primary, epoch, data_loss_bytes) "
        "SELECT 'fo-1', id, 'automatic', 'completed', 'a', 'b', 2, 0 FROM instances");
    const auto shown = json_of(world.call("GET", "/api/v1/instances/mydb/replication"));
    CHECK(shown.at("instance") == "mydb");
    CHECK(shown.at("policy").at("cooldown_ms") == 300'000);
    REQUIRE(shown.at("failovers").size() == 1);
    CHECK(shown.at("failovers")[0].at("status") == "completed");
    CHECK(shown.at("failovers")[0].at("data_loss_bytes") == 0);
}

TEST_CASE("replicas: one more is asked of the monitor, and one less, each with what is known of it") {
    World world;
    const auto k8s_name = running(world, "mydb");
    const auto request = [&] {
        const auto out =
            decode<ha::Request>(world.sql("SELECT request FROM replication WHERE request IS NOT NULL")[0].get<Json>(0));
        world.sql("UPDATE replication SET request = NULL");
        return out;
    };
    const auto added = world.call("POST", "/api/v1/instances/mydb/replicas",
                                  {{"mode", "async"}, {"zone", "b"}, {"max_lag_bytes", 1000}, {"reason", "reads"}});
    REQUIRE(added.status == 202);
    CHECK(json_of(added).at("operation").at("kind") == "add_replica");
    const auto add = request();
    CHECK(add.kind == "add");
    CHECK(add.reason == "reads");
    CHECK(add.standby->mode == ha::Mode::async);
    CHECK(add.standby->zone == "b");
    CHECK(add.standby->max_lag_bytes == 1000);
    const auto removed = world.call("DELETE", "/api/v1/instances/mydb/replicas/2?reason=cheaper");
    REQUIRE(removed.status == 202);
    CHECK(json_of(removed).at("operation").at("kind") == "remove_replica");
    const auto remove = request();
    CHECK(remove.kind == "remove");
    CHECK(remove.target == k8s_name + "-2");
    CHECK(remove.reason == "cheaper");
    const auto wrong = world.call("POST", "/api/v1/instances/mydb/replicas",
                                  {{"mode", "maybe"}, {"zone", "-b"}, {"max_lag_bytes", -1}});
    CHECK(fields_of(wrong) == std::vector<std::string>{"mode", "zone", "max_lag_bytes"});
    CHECK(world.sql("SELECT 1 FROM replication WHERE request IS NOT NULL").empty());
}

TEST_CASE("replicas: are listed as they are on record when nobody answers") {
    World world;
    const auto k8s_name = running(world, "mydb");
    const auto list = json_of(world.call("GET", "/api/v1/instances/mydb/replicas"));
    REQUIRE(list.at("replicas").size() == 2);
    CHECK(list.at("replicas")[1].at("name") == k8s_name + "-2");
    CHECK(list.at("replicas")[1].at("state") == "unreachable");
    CHECK(list.at("replicas")[1].at("lag_bytes").is_null());
    CHECK(world.call("GET", "/api/v1/instances/nobody/replicas").status == 404);
}

TEST_CASE("settings: what is given is changed, in the monitor's own units, and nothing else") {
    World world;
    running(world, "mydb");
    const auto response = world.call("PATCH", "/api/v1/instances/mydb/replication",
                                     {{"durability", "strict"},
                                      {"automatic_failover", false},
                                      {"policy", {{"cooldown", "10m"}, {"lag_alert_bytes", 5}, {"custom_check", ""}}}});
    REQUIRE(response.status == 202);
    CHECK(json_of(response).at("operation").at("kind") == "configure_replication");
    const auto request =
        decode<ha::Request>(world.sql("SELECT request FROM replication WHERE request IS NOT NULL")[0].get<Json>(0));
    REQUIRE(request.settings);
    CHECK_FALSE(request.settings->mode);
    CHECK(request.settings->durability == ha::Durability::strict);
    CHECK(request.settings->automatic_failover == false);
    CHECK(request.settings->policy == Json{{"cooldown_ms", 600'000}, {"lag_alert_bytes", 5}, {"custom_check", ""}});
    const auto wrong = world.call("PATCH", "/api/v1/instances/mydb/replication",
                                  {{"mode", "x"}, {"policy", {{"cooldown", "soon"}, {"lag_alert_bytes", -5}}}});
    CHECK(fields_of(wrong) == std::vector<std::string>{"mode", "policy.cooldown", "policy.lag_alert_bytes"});
    CHECK(world.call("PATCH", "/api/v1/instances/mydb/replication", Json::object()).status == 400);
    CHECK(world.call("PATCH", "/api/v1/instances/mydb/replication", {{"policy", {{"unknown", 1}}}}).status == 400);
}

TEST_CASE("requests: a switchover may wait for sync, for as long as it says") {
    World world;
    running(world, "mydb");
    REQUIRE(world.call("POST", "/api/v1/instances/mydb/switchover", {{"sync_timeout", "90s"}}).status == 202);
    const auto request =
        decode<ha::Request>(world.sql("SELECT request FROM replication WHERE request IS NOT NULL")[0].get<Json>(0));
    REQUIRE(request.wait_until);
    CHECK(*request.wait_until > now() + std::chrono::seconds(80));
    CHECK(*request.wait_until < now() + std::chrono::seconds(100));
    CHECK(fields_of(world.call("POST", "/api/v1/instances/mydb/promote", {{"sync_timeout", "never"}})) ==
          std::vector<std::string>{"sync_timeout"});
}

TEST_CASE("verify: is an orchestration of its own, and needs a standby to look at") {
    World world;
    running(world, "mydb");
    running(world, "alone", {{"replication", false}});
    const auto response = world.call("POST", "/api/v1/instances/mydb/verify", {{"timeout", "2s"}});
    REQUIRE(response.status == 202);
    const auto operation = json_of(response).at("operation");
    CHECK(operation.at("kind") == "verify_replication");
    CHECK(world.sql("SELECT 1 FROM orchestrations WHERE name = 'verify_replication'").size() == 1);
    CHECK(code_of(world.call("POST", "/api/v1/instances/alone/verify")) == "no_standby");
    CHECK(fields_of(world.call("POST", "/api/v1/instances/mydb/verify", {{"timeout", "0s"}})) ==
          std::vector<std::string>{"timeout"});
}

TEST_CASE("failover of all instances: paused and resumed, each with its reason on record") {
    World world;
    CHECK(json_of(world.call("GET", "/api/v1/failover")) == Json{{"automatic", true}});
    const auto paused = world.call("PUT", "/api/v1/failover", {{"automatic", false}, {"reason", "network works"}});
    CHECK(paused.status == 200);
    const auto now_so = json_of(world.call("GET", "/api/v1/failover"));
    CHECK(now_so.at("automatic") == false);
    CHECK(now_so.at("reason") == "network works");
    CHECK(now_so.at("actor") == "writer");
    CHECK(world.call("PUT", "/api/v1/failover", {{"automatic", true}}).status == 200);
    CHECK(json_of(world.call("GET", "/api/v1/failover")).at("automatic") == true);
    CHECK(world.sql("SELECT 1 FROM fleet_settings").size() == 2);
    CHECK(world.call("PUT", "/api/v1/failover", Json::object()).status == 400);
    auto as_reader = world.request("PUT", "/api/v1/failover");
    as_reader.headers.set("Authorization", "Bearer " + world.reader);
    CHECK(world.send(as_reader).status == 403);
}

TEST_CASE("metrics: tell of every instance what the CMS knows") {
    World world;
    const auto k8s_name = running(world, "mydb");
    world.sql(
        "INSERT INTO failovers (id, instance_id, kind, status, old_primary, new_primary, epoch, data_loss_bytes) "
        "SELECT 'fo-1', id, 'automatic', 'completed', 'a', 'b', 2, 0 FROM instances");
    world.sql(R"(UPDATE replication SET alerts = '[{"kind": "lag", "member": "m", "message": "far behind"}]')");
    const auto text = world.call("GET", "/metrics").body;
    const auto labels = "{instance=\"mydb\",k8s_name=\"" + k8s_name + "\"";
    CHECK(text.contains("toygres_instance_replication_state" + labels + ",state=\"creating\"} 1\n"));
    CHECK(text.contains("toygres_instance_info" + labels + ",postgres_version=\"15\"} 1\n"));
    CHECK(text.contains("toygres_instance_state" + labels + ",state=\"running\"} 1\n"));
    CHECK(text.contains("toygres_instance_member_role" + labels + ",member=\"" + k8s_name +
                        "-1\",role=\"primary\"} 1\n"));
    CHECK(text.contains("toygres_instance_member_role" + labels + ",member=\"" + k8s_name +
                        "-2\",role=\"replica\"} 1\n"));
    CHECK_FALSE(text.contains("toygres_instance_healthy" + labels));
    world.sql("SELECT set_instance_health(id, 'unhealthy', 'test', 'silent') FROM instances");
    world.sql("UPDATE instances SET last_health_check_at = to_timestamp(1700000000)");
    const auto checked = world.call("GET", "/metrics").body;
    CHECK(checked.contains("toygres_instance_healthy" + labels + "} 0\n"));
    CHECK(checked.contains("toygres_instance_last_health_check_timestamp_seconds" + labels + "} 1700000000\n"));
    CHECK(text.contains("toygres_instance_failover_safe" + labels + "} 0\n"));
    CHECK(text.contains("toygres_instance_members" + labels + "} 2\n"));
    CHECK(text.contains("toygres_instance_alert" + labels + ",kind=\"lag\",member=\"m\"} 1\n"));
    CHECK(text.contains("toygres_failovers_total{kind=\"automatic\",status=\"completed\"} 1\n"));
    CHECK(text.contains("toygres_automatic_failover 1\n"));
}
