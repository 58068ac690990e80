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
                                  {{"timeout", "soon"}, {"old_primary_action", "terminate"}});
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
