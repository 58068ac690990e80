#include "world.hpp"

using namespace toygres;
using namespace toygres::test;

namespace {

http::Response get_as(World& world, std::string authorization, std::string target = "/api/v1/instances") {
    return world.call("GET", std::move(target), {}, {{"Authorization", std::move(authorization)}});
}

}  // namespace

TEST_CASE("auth: without a valid token there is nothing but a challenge") {
    World world;
    auto bare = world.request("GET", "/api/v1/instances");
    bare.headers = {};
    const auto response = world.send(bare);
    CHECK(response.status == 401);
    CHECK(response.headers.get("WWW-Authenticate").starts_with("Bearer"));
    CHECK(code_of(response) == "unauthenticated");
    CHECK(get_as(world, "Bearer tgr_wrong").status == 401);
    CHECK(get_as(world, "Basic " + world.writer).status == 401);
    CHECK(get_as(world, "Bearer ").status == 401);
    CHECK(get_as(world, "Bearer " + world.writer + "x").status == 401);
    CHECK(get_as(world, "bearer " + world.writer).status == 200);
    // Also where there is nothing to find, so that names cannot be guessed.
    CHECK(get_as(world, "Bearer x", "/api/v1/instances/mydb").status == 401);
}

TEST_CASE("auth: a reader may not write, nor see passwords") {
    World world;
    const http::Headers reader{{"Authorization", "Bearer " + world.reader}};
    CHECK(world.call("GET", "/api/v1/instances", {}, reader).status == 200);
    const auto refused = world.call("POST", "/api/v1/instances", {{"name", "mydb"}}, reader);
    CHECK(refused.status == 403);
    CHECK(code_of(refused) == "insufficient_scope");
    CHECK(world.call("DELETE", "/api/v1/instances/mydb", {}, reader).status == 403);
    CHECK(world.call("GET", "/api/v1/instances/mydb/connection", {}, reader).status == 403);
    CHECK(world.call("POST", "/api/v1/orchestrations/x/cancel", {{"reason", "r"}}, reader).status == 403);
    CHECK(world.sql("SELECT 1 FROM instances").empty());
}

TEST_CASE("auth: a revoked token stops working within seconds, an expired one at once") {
    World world;
    REQUIRE(get_as(world, "Bearer " + world.reader).status == 200);
    world.sql("UPDATE api_tokens SET revoked_at = now() WHERE name = 'reader'");
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    int status = 200;
    while (status != 401 && std::chrono::steady_clock::now() < deadline)
        status = get_as(world, "Bearer " + world.reader).status;
    CHECK(status == 401);
    world.sql("UPDATE api_tokens SET expires_at = now() - interval '1 s' WHERE name = 'writer'");
    CHECK(get_as(world, "Bearer " + world.writer).status == 401);
}

TEST_CASE("system: liveness, readiness, version, metrics and the contract need no token") {
    World world;
    const auto get = [&](const std::string& target) {
        auto request = world.request("GET", target);
        request.headers = {};
        return world.send(request);
    };
    CHECK(get("/livez").status == 200);
    CHECK(json_of(get("/readyz")).at("ready") == true);
    world.readiness.kubernetes = false;
    const auto unready = get("/readyz");
    CHECK(unready.status == 503);
    CHECK(json_of(unready).at("checks") == Json{{"database", true}, {"kubernetes", false}, {"runtime", true}});
    CHECK(json_of(get("/version")).at("default_postgres_version") == "15");
    CHECK(get("/api/v1/openapi.yaml").body.starts_with("openapi: 3.1"));
    const auto metrics = get("/metrics").body;
    CHECK(metrics.contains("toygres_http_requests_total{method=\"GET\",route=\"/readyz\",status=\"503\"} 1"));
    CHECK(metrics.contains("toygres_http_request_seconds_bucket{route=\"/livez\""));
}
