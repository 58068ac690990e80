// What people look at to see how things are: figures, drift, the inside of the process, and the trace of a call.
#include "cms/migrator.hpp"
#include "world.hpp"

#include <algorithm>

using namespace toygres;
using namespace toygres::test;

namespace {

http::Response call_as(World& world, const std::string& token, std::string method, std::string target, Json body = {}) {
    auto request = world.request(std::move(method), std::move(target), std::move(body));
    request.headers.set("Authorization", "Bearer " + token);
    return world.send(std::move(request));
}

std::string start_traced(World& world, const std::string& name, const std::string& traceparent) {
    const auto made = world.call("POST", "/api/v1/instances", {{"name", name}, {"replication", false}},
                                 {{"traceparent", traceparent}, {"X-Request-Id", "r-1"}});
    REQUIRE(made.status == 202);
    return std::string(made.headers.get("traceparent"));
}

const std::string trace_id(32, 'a');
const std::string caller = "00-" + trace_id + "-" + std::string(16, 'b') + "-01";

}  // namespace

TEST_CASE("stats: count instances, failovers, operations and orchestrations, zeros included") {
    World world;
    const auto stats = [&] { return json_of(call_as(world, world.reader, "GET", "/api/v1/stats")); };
    const auto empty = stats();
    CHECK(empty.at("instances").at("total") == 0);
    CHECK(empty.at("health") == Json{{"healthy", 0}, {"unhealthy", 0}, {"unknown", 0}});
    CHECK(empty.at("schema_version") == cms::latest_migration());
    CHECK(empty.at("operations").at("running") == 0);
    CHECK(empty.at("operations").value("oldest_running_seconds", Json()).is_null());
    REQUIRE(world.call("POST", "/api/v1/instances", {{"name", "a"}, {"storage_size_gb", 30}}).status == 202);
    REQUIRE(world.call("POST", "/api/v1/instances", {{"name", "b"}, {"storage_size_gb", 10}}).status == 202);
    world.sql(
        "SELECT set_instance_state(id, 'failed', 'test', NULL, NULL, 'a test') FROM instances WHERE user_name = 'b'");
    world.sql(
        "INSERT INTO failovers (id, instance_id, kind, status, started_at) SELECT 'now', id, 'automatic', "
        "'completed', clock_timestamp() FROM instances WHERE user_name = 'a'");
    world.sql(
        "INSERT INTO failovers (id, instance_id, kind, status, started_at) SELECT 'before', id, 'automatic', "
        "'failed', clock_timestamp() - interval '25 hours' FROM instances WHERE user_name = 'a'");
    world.sql(
        "INSERT INTO workers (name, heartbeat_at) VALUES ('s-1', clock_timestamp()), ('dead', clock_timestamp() - "
        "interval '1 hour')");
    const auto figures = stats();
    CHECK(figures.at("instances").at("creating") == 1);
    CHECK(figures.at("instances").at("failed") == 1);
    CHECK(figures.at("instances").at("total") == 2);
    CHECK(figures.at("storage") == Json{{"total_gb", 40}, {"average_gb", 20.0}});
    CHECK(figures.at("failovers_last_24h") == Json{{"completed", 1}, {"failed", 0}, {"running", 0}});
    CHECK(figures.at("operations").at("running") == 2);
    CHECK(figures.at("operations").at("oldest_running_seconds").is_number());
    CHECK(figures.at("orchestrations").at("by_type") == Json{{"create_instance", 2}});
    CHECK(figures.at("orchestrations").at("last_24h") == Json{{"pending", 2}});
    REQUIRE(figures.at("servers").size() == 1);
    CHECK(figures.at("servers")[0].at("name") == "s-1");
}

TEST_CASE("debug: administrators alone see the inside of a process") {
    World world;
    const auto shown = world.call("GET", "/api/v1/system/debug?id_prefix=health-&limit=7");
    REQUIRE(shown.status == 200);
    CHECK(json_of(shown).at("runtime") == Json{{"id_prefix", "health-"}, {"most", 7}});
    CHECK(json_of(shown).at("pool").at("max") == 8);
    CHECK(call_as(world, world.reader, "GET", "/api/v1/system/debug").status == 403);
    CHECK(call_as(world, world.token_of("op", "operator"), "GET", "/api/v1/system/debug").status == 403);
    CHECK(world.call("GET", "/api/v1/system/debug?limit=0").status == 400);
}

TEST_CASE("drift: a repair is dry unless it is told otherwise, one at a time, and audited") {
    World world;
    world.drift = Json::array({{{"object", "mine"}, {"repair", "remove"}, {"kept", nullptr}},
                               {{"object", "data"}, {"repair", "remove"}, {"kept", "volume"}},
                               {{"object", "odd"}, {"repair", nullptr}, {"kept", "live_instance"}}});
    CHECK(json_of(world.call("GET", "/api/v1/system/drift")).at("findings").size() == 3);
    CHECK(call_as(world, world.reader, "GET", "/api/v1/system/drift").status == 403);
    const std::string path = "/api/v1/system/drift/repair";
    const auto dry = world.call("POST", path, Json::object());
    REQUIRE(dry.status == 200);
    CHECK(json_of(dry).at("actions").size() == 1);
    CHECK(fields_of(world.call("POST", path, {{"grace", "soon"}})) == std::vector<std::string>{"grace"});
    CHECK(world.sql("SELECT 1 FROM orchestrations").empty());
    CHECK(call_as(world, world.token_of("op", "operator"), "POST", path, {{"dry_run", false}}).status == 403);
    const auto begun = world.call("POST", path, {{"dry_run", false}, {"remove_volumes", true}, {"grace", "5m"}});
    REQUIRE(begun.status == 202);
    CHECK(begun.headers.get("Location") == "/api/v1/orchestrations/repair-drift");
    const auto input = world.sql("SELECT input FROM orchestrations WHERE id = 'repair-drift'")[0].get<Json>(0);
    CHECK(input.at("grace_ms") == 300'000);
    CHECK(input.at("remove_volumes") == true);
    CHECK(input.at("caller") == "writer");
    CHECK(code_of(world.call("POST", path, {{"dry_run", false}})) == "repair_in_progress");
    CHECK(world
              .sql("SELECT 1 FROM audit_log WHERE action = 'system.repair_drift' AND outcome = 'done' AND object = "
                   "'repair-drift'")
              .size() == 1);
}

TEST_CASE("traces: what a call starts carries its trace and request, and the answer tells its own span") {
    World world;
    const auto answered = start_traced(world, "mine", caller);
    CHECK(answered.starts_with("00-" + trace_id + "-"));
    CHECK_FALSE(answered.contains(std::string(16, 'b')));
    const auto tags = world.sql("SELECT tags FROM orchestrations")[0].get<Json>(0);
    CHECK(tags.at("traceparent") == answered);
    CHECK(tags.at("request_id") == "r-1");
    CHECK(tags.at("operation").get<std::string>().starts_with("op-"));
}

TEST_CASE("traces: a traceparent that is none begins a new trace") {
    World world;
    const auto answered = start_traced(world, "mine", "00-nonsense");
    CHECK(answered.size() == 55);
    CHECK_FALSE(answered.contains("nonsense"));
    CHECK(answered.ends_with("-00"));
}
