#include "api/route.hpp"
#include "world.hpp"

#include <fmt/format.h>

using namespace toygres;
using namespace toygres::test;

namespace {

http::Response get_as(World& world, std::string authorization, std::string target = "/api/v1/instances") {
    return world.call("GET", std::move(target), {}, {{"Authorization", std::move(authorization)}});
}

http::Headers bearer(const std::string& token) { return {{"Authorization", "Bearer " + token}}; }

// A path of that route, all of whose parameters have that value.
std::string path_of(const api::Route& route, const std::string& value) {
    std::string out;
    for (std::string_view rest = route.pattern; !rest.empty();) {
        const auto open = rest.find('{');
        out += rest.substr(0, open);
        if (open == std::string_view::npos) break;
        out += value;
        rest.remove_prefix(rest.find('}') + 1);
    }
    return out;
}

// A body that the routes which look at the owner only after their body take.
Json body_for(const api::Route& route) {
    if (route.method == "GET" || route.method == "DELETE") return {};
    if (route.pattern.ends_with("/replication")) return {{"mode", "async"}};
    return Json::object();
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

TEST_CASE("roles: every route that changes something refuses a viewer, and those of administrators an operator") {
    World world;
    const auto operating = world.token_of("op", "operator");
    for (const auto& route : api::all_routes()) {
        if (route.needs == api::Needs::nothing || route.needs == api::Needs::viewer) continue;
        INFO(route.method << " " << route.pattern);
        const auto target = path_of(route, "x");
        const auto refused = world.call(std::string(route.method), target, body_for(route), bearer(world.reader));
        CHECK(refused.status == 403);
        CHECK(code_of(refused) == "insufficient_scope");
        const auto tried = world.call(std::string(route.method), target, body_for(route), bearer(operating));
        CHECK((code_of(tried) == "insufficient_scope") == (route.needs == api::Needs::admin));
    }
}

TEST_CASE("roles: an instance belongs to the owner of the token that made it, and to no other operator") {
    World world;
    const auto mine = world.token_of("mine", "operator", "team-a");
    const auto ours = world.token_of("ours", "operator", "team-a");
    const auto theirs = world.token_of("theirs", "operator", "team-b");
    const auto watching = world.token_of("watching", "viewer", "team-a");
    REQUIRE(world.call("POST", "/api/v1/instances", {{"name", "mydb"}}, bearer(mine)).status == 202);
    world.sql("SELECT set_instance_state(id, 'running', 'test', NULL, NULL, 'up') FROM instances");
    CHECK(json_of(world.call("GET", "/api/v1/instances/mydb", {}, bearer(theirs))).at("owner") == "team-a");
    int owned = 0;
    for (const auto& route : api::all_routes()) {
        if (route.needs != api::Needs::owner) continue;
        ++owned;
        INFO(route.method << " " << route.pattern);
        const auto refused =
            world.call(std::string(route.method), path_of(route, "mydb"), body_for(route), bearer(theirs));
        CHECK(refused.status == 403);
        CHECK(code_of(refused) == "not_owner");
    }
    CHECK(owned >= 12);
    CHECK(world.sql("SELECT 1 FROM operations WHERE kind <> 'create_instance'").empty());
    CHECK(world.call("GET", "/api/v1/instances/mydb/connection", {}, bearer(watching)).status == 403);
    // Whose token it is does not matter; who owns it does.
    CHECK(world.call("POST", "/api/v1/instances/mydb/hold", Json::object(), bearer(ours)).status == 202);
    CHECK(code_of(world.call("GET", "/api/v1/instances/mydb/connection", {}, bearer(ours))) == "instance_not_ready");
    CHECK(world.call("DELETE", "/api/v1/instances/mydb", {}, bearer(ours)).status == 202);
}

TEST_CASE("roles: an administrator gives an instance to somebody else, which is kept in its events") {
    World world;
    const auto before = world.token_of("before", "operator");
    const auto after = world.token_of("after", "operator");
    REQUIRE(world.call("POST", "/api/v1/instances", {{"name", "mydb"}}, bearer(before)).status == 202);
    CHECK(world.call("PATCH", "/api/v1/instances/mydb", {{"owner", "after"}}, bearer(before)).status == 403);
    CHECK(fields_of(world.call("PATCH", "/api/v1/instances/mydb", {{"owner", "a b"}})) ==
          std::vector<std::string>{"owner"});
    CHECK(world.call("PATCH", "/api/v1/instances/nodb", {{"owner", "after"}}).status == 404);
    for (int i = 0; i < 2; ++i)
        CHECK(json_of(world.call("PATCH", "/api/v1/instances/mydb", {{"owner", "after"}})).at("owner") == "after");
    CHECK(world.call("DELETE", "/api/v1/instances/mydb", {}, bearer(before)).status == 403);
    CHECK(world.call("DELETE", "/api/v1/instances/mydb", {}, bearer(after)).status == 202);
    const auto events =
        world.sql("SELECT old_state, new_state, actor FROM instance_events WHERE event_type = 'owner_change'");
    REQUIRE(events.size() == 1);
    CHECK(events[0].text(0) == "before");
    CHECK(events[0].text(1) == "after");
    CHECK(events[0].text(2) == "writer");
}

TEST_CASE("tokens: an administrator makes, lists and revokes them; the text is shown once") {
    World world;
    const auto made = world.call("POST", "/api/v1/tokens",
                                 {{"name", "ci"}, {"role", "operator"}, {"owner", "team-a"}, {"expires_in", "30d"}});
    REQUIRE(made.status == 201);
    const auto text = json_of(made).at("token").get<std::string>();
    CHECK(text.starts_with("tgr_"));
    CHECK(text.size() == 4 + 43);  // 256 bits
    CHECK(json_of(made).contains("expires_at"));
    CHECK(get_as(world, "Bearer " + text).status == 200);
    CHECK(code_of(world.call("POST", "/api/v1/tokens", {{"name", "ci"}, {"role", "viewer"}})) == "token_exists");
    CHECK(fields_of(world.call("POST", "/api/v1/tokens",
                               {{"name", ""}, {"role", "root"}, {"owner", "a b"}, {"expires_in", "1s"}})) ==
          std::vector<std::string>{"name", "role", "owner", "expires_in"});

    const auto page = json_of(world.call("GET", "/api/v1/tokens?limit=2"));
    REQUIRE(page.at("tokens").size() == 2);
    CHECK(page.at("tokens")[0].at("name") == "ci");
    CHECK(page.at("tokens")[0].at("owner") == "team-a");
    CHECK(page.at("tokens")[0].contains("last_used_at"));
    CHECK_FALSE(page.dump().contains(text.substr(4)));
    const auto rest = json_of(
        world.call("GET", "/api/v1/tokens?limit=2&page_token=" + page.at("next_page_token").get<std::string>()));
    CHECK(rest.at("tokens").size() == 1);

    CHECK(world.call("DELETE", "/api/v1/tokens/ci").status == 200);
    CHECK(code_of(world.call("DELETE", "/api/v1/tokens/ci")) == "token_not_found");
    // The name is free again, and what was made under it before stays revoked.
    CHECK(world.call("POST", "/api/v1/tokens", {{"name", "ci"}, {"role", "viewer"}}).status == 201);
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    int status = 200;
    while (status != 401 && std::chrono::steady_clock::now() < deadline)
        status = get_as(world, "Bearer " + text).status;
    CHECK(status == 401);
}

TEST_CASE("tokens: the last use is noted, at most once a minute") {
    World world;
    const auto text = world.token_of("ci", "viewer");
    const auto last_use = [&] {
        return std::string(
            world.sql("SELECT coalesce(last_used_at::text, '') FROM api_tokens WHERE name = 'ci'")[0].text(0));
    };
    CHECK(last_use().empty());
    REQUIRE(get_as(world, "Bearer " + text).status == 200);
    const auto first = last_use();
    CHECK_FALSE(first.empty());
    const auto touch = [&] {
        world.sql("UPDATE api_tokens SET last_used_at = now() - interval '2 min' WHERE name = 'ci'");
    };
    touch();
    const auto second = last_use();
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    // Remembered for a few seconds, then looked up anew.
    while (last_use() == second && std::chrono::steady_clock::now() < deadline) get_as(world, "Bearer " + text);
    CHECK(last_use() > first);
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
    CHECK(metrics.contains("toygres_http_request_seconds_bucket{method=\"GET\",route=\"/livez\""));
    CHECK(metrics.contains("toygres_cms_up 1\n"));
    CHECK(metrics.contains("toygres_http_requests_in_flight 1\n"));
    CHECK(metrics.contains("process_resident_memory_bytes "));
}
