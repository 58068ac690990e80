#include "world.hpp"

using namespace toygres;
using namespace toygres::test;

namespace {

using Names = std::vector<std::string>;

http::Response create(World& world, const Json& body) { return world.call("POST", "/api/v1/instances", body); }

void check_problem(const http::Response& response, int status, const std::string& code) {
    CHECK(response.status == status);
    CHECK(response.headers.get("Content-Type") == "application/problem+json");
    const auto body = json_of(response);
    CHECK(body.at("status") == status);
    CHECK(body.at("code") == code);
    CHECK(body.at("type") == "urn:toygres:problem:" + code);
    CHECK_FALSE(body.at("detail").get<std::string>().empty());
    CHECK(body.at("request_id") == std::string(response.headers.get("X-Request-Id")));
}

void check_nothing_made(World& world) {
    CHECK(world.sql("SELECT 1 FROM instances").empty());
    CHECK(world.sql("SELECT 1 FROM orchestrations").empty());
}

}  // namespace

TEST_CASE("bad input: a body that is not JSON says where") {
    World world;
    auto request = world.request("POST", "/api/v1/instances", Json::object());
    request.body = "{\n  \"name\": mydb\n}";
    const auto response = world.send(request);
    check_problem(response, 400, "invalid_json");
    CHECK(json_of(response).at("detail").get<std::string>().contains("line 2"));
    request.body = std::string(200, '[') + std::string(200, ']');
    check_problem(world.send(request), 400, "invalid_json");
    request.body = R"({"name": "my\u0000db"})";
    check_problem(world.send(request), 400, "invalid_json");
    request.body = R"({"name": "mydb", "storage_size_gb": 1e999})";
    check_problem(world.send(request), 400, "invalid_json");
    request.body = "";
    check_problem(world.send(request), 400, "invalid_json");
    check_nothing_made(world);
}

TEST_CASE("bad input: another content type is refused") {
    World world;
    auto request = world.request("POST", "/api/v1/instances", {{"name", "mydb"}});
    request.headers.set("Content-Type", "text/plain");
    check_problem(world.send(request), 415, "unsupported_media_type");
    request.headers.set("Content-Type", "application/json; charset=utf-8");
    CHECK(world.send(request).status == 202);
}

TEST_CASE("bad input: unknown, missing and mistyped fields are named by their path") {
    World world;
    CHECK(fields_of(create(world, Json::object())) == Names{"name"});
    CHECK(fields_of(create(world, {{"name", "mydb"}, {"storage", 1}})) == Names{"storage"});
    CHECK(fields_of(create(world, {{"name", 7}})) == Names{"name"});
    CHECK(fields_of(create(world, {{"name", "mydb"}, {"storage_size_gb", "10"}})) == Names{"storage_size_gb"});
    CHECK(fields_of(create(world, {{"name", "mydb"}, {"storage_size_gb", 1.5}})) == Names{"storage_size_gb"});
    CHECK(fields_of(create(world, {{"name", "mydb"}, {"tags", {{"a", 1}}}})) == Names{"tags.a"});
    CHECK(fields_of(create(world, {{"name", "mydb"}, {"internal", "yes"}})) == Names{"internal"});
    const auto list = create(world, Json::array({1}));
    check_problem(list, 400, "invalid_field");
    check_nothing_made(world);
}

TEST_CASE("bad input: names that are no DNS labels are refused") {
    World world;
    for (const std::string name : {"", "My", "1db", "-db", "db-", "my_db", "my.db", "mydb ", "d\u00e4tabase",
                                   "a234567890123456789012345678901234567x"}) {
        INFO(name);
        const auto response = create(world, {{"name", name}});
        check_problem(response, 400, "invalid_request");
        CHECK(fields_of(response) == Names{"name"});
    }
    check_nothing_made(world);
    CHECK(create(world, {{"name", "a23456789012345678901234567890123456z"}}).status == 202);
    CHECK(create(world, {{"name", "a"}}).status == 202);
}

TEST_CASE("bad input: all wrong values are told at once") {
    World world;
    const auto response = create(world, {{"name", "My"},
                                         {"postgres_version", "9.6"},
                                         {"storage_size_gb", 0},
                                         {"password", "short"},
                                         {"check_interval", "1d"},
                                         {"tags", {{"", "x"}}}});
    check_problem(response, 400, "invalid_request");
    CHECK(fields_of(response) ==
          Names{"name", "postgres_version", "storage_size_gb", "password", "check_interval", "tags"});
    CHECK_FALSE(response.body.contains("short"));
    CHECK(fields_of(create(world, {{"name", "a"}, {"storage_size_gb", 65537}})) == Names{"storage_size_gb"});
    CHECK(fields_of(create(world, {{"name", "a"}, {"storage_size_gb", 99999999999}})) == Names{"storage_size_gb"});
    CHECK(fields_of(create(world, {{"name", "a"}, {"password", std::string(129, 'x')}})) == Names{"password"});
    CHECK(fields_of(create(world, {{"name", "a"}, {"password", "tab\tinside"}})) == Names{"password"});
    CHECK(fields_of(create(world, {{"name", "a"}, {"check_interval", "30"}})) == Names{"check_interval"});
    Json tags = Json::object();
    for (int i = 0; i < 65; ++i) tags["t" + std::to_string(i)] = "x";
    CHECK(fields_of(create(world, {{"name", "a"}, {"tags", tags}})) == Names{"tags"});
    check_nothing_made(world);
}

TEST_CASE("bad input: what is wrong with a placement is told field by field, before anything is made") {
    World world;
    const auto fields = [&](const Json& placement, bool internal = false) {
        return fields_of(create(world, {{"name", "mydb"}, {"internal", internal}, {"placement", placement}}));
    };
    CHECK(fields({{"rack", "1"}}) == Names{"placement.rack"});
    CHECK(fields({{"spread", "rack"}}) == Names{"placement.spread"});
    CHECK(fields({{"spread_required", true},
                  {"priority_class", "system-node-critical"},
                  {"resources", {{"cpu_request", "2"}, {"cpu_limit", "1"}}},
                  {"pod_annotations", {{"toygres.io/name", "x"}}},
                  {"load_balancer_source_ranges", {"10.0.0.1/8"}}}) ==
          Names{"placement.spread_required", "placement.priority_class", "placement.resources.cpu_limit",
                "placement.pod_annotations.toygres.io/name", "placement.load_balancer_source_ranges[0]"});
    CHECK(fields({{"load_balancer_source_ranges", {"10.0.0.0/8"}}}, true) ==
          Names{"placement.load_balancer_source_ranges"});
    check_nothing_made(world);
}

TEST_CASE("bad input: too large a body is refused") {
    World world;
    auto request = world.request("POST", "/api/v1/instances", {{"name", "mydb"}});
    request.body = Json{{"name", std::string(2 << 20, 'x')}}.dump();
    check_problem(world.send(request), 413, "too_large");
    check_nothing_made(world);
}

TEST_CASE("bad input: query parameters are checked") {
    World world;
    CHECK(fields_of(world.call("GET", "/api/v1/instances?limit=0")) == Names{"limit"});
    CHECK(fields_of(world.call("GET", "/api/v1/instances?limit=many")) == Names{"limit"});
    CHECK(fields_of(world.call("GET", "/api/v1/instances?state=lost")) == Names{"state"});
    CHECK(fields_of(world.call("GET", "/api/v1/instances?sate=running")) == Names{"sate"});
    CHECK(fields_of(world.call("GET", "/api/v1/instances?include_deleted=1")) == Names{"include_deleted"});
    CHECK(fields_of(world.call("GET", "/api/v1/orchestrations?created_after=0000-01-01T00:00:00Z")) ==
          Names{"created_after"});
    CHECK(fields_of(world.call("GET", "/api/v1/instances?page_token=nonsense")) == Names{"page_token"});
    CHECK(fields_of(world.call("GET", "/api/v1/operations?page_token=MQ")) == Names{"page_token"});
    CHECK(fields_of(world.call("GET", "/api/v1/orchestrations?page_token=eHg")) == Names{"page_token"});
    CHECK(fields_of(world.call("DELETE", "/api/v1/instances/x", {}, {{"Idempotency-Key", "a b"}})) ==
          Names{"Idempotency-Key"});
    check_problem(world.call("GET", "/api/v1/instances/my%00db"), 400, "invalid_target");
    check_problem(world.call("GET", "/api/v1/instances/%ff"), 400, "invalid_target");
    check_problem(world.call("GET", "/api/v1/instances?name_prefix=%0a"), 400, "invalid_target");
    CHECK(world.call("GET", "/api/v1/instances/d%C3%A4").status == 404);
    CHECK(world.call("GET", "/api/v1/instances/%22%5C").status == 404);
}

TEST_CASE("routes: an unknown path is 404, a wrong method 405 with Allow") {
    World world;
    check_problem(world.call("GET", "/api/v1/nothing"), 404, "no_such_path");
    check_problem(world.call("GET", "/api/v1/instances/"), 404, "no_such_path");
    check_problem(world.call("GET", "/api/v1/instances//connection"), 404, "no_such_path");
    const auto put = world.call("PUT", "/api/v1/instances/mydb");
    check_problem(put, 405, "method_not_allowed");
    CHECK(put.headers.get("Allow") == "GET, PATCH, DELETE");
    CHECK(world.call("HEAD", "/livez").status == 200);
}

TEST_CASE("request id: a sane one is taken over, another is replaced") {
    World world;
    CHECK(world.call("GET", "/livez", {}, {{"X-Request-Id", "a.b:c-1_2"}}).headers.get("X-Request-Id") == "a.b:c-1_2");
    const auto other = world.call("GET", "/livez", {}, {{"X-Request-Id", "a b"}});
    CHECK(other.headers.get("X-Request-Id").size() == 16);
}

TEST_CASE("database away: a clear problem with Retry-After, and no words of the database") {
    World world;
    world.pool->close();
    const auto response = world.call("GET", "/api/v1/instances");
    check_problem(response, 503, "database_unavailable");
    CHECK(response.headers.has("Retry-After"));
    CHECK(world.call("GET", "/livez").status == 200);
}

TEST_CASE("database restarted: requests go on over new sessions") {
    World world;
    REQUIRE(create(world, {{"name", "before"}}).status == 202);
    shared_postgres().restart("immediate");
    CHECK(create(world, {{"name", "after"}}).status == 202);
    CHECK(json_of(world.call("GET", "/api/v1/instances")).at("instances").size() == 2);
}

TEST_CASE("origins: no answer lets another site's script read it, and a cookie is no token") {
    World world;
    const http::Headers elsewhere{{"Origin", "https://elsewhere.example"}, {"Access-Control-Request-Method", "POST"}};
    for (const auto* method : {"GET", "OPTIONS"})
        CHECK_FALSE(world.call(method, "/api/v1/instances", {}, elsewhere).headers.has("Access-Control-Allow-Origin"));
    http::Request request{"GET", "/api/v1/instances", {{"Cookie", "token=" + world.writer}}, {}, {}};
    check_problem(world.send(std::move(request)), 401, "unauthenticated");
}
