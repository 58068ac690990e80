// Entity tags, and calls that change an instance only as its caller has seen it.
#include "api/precondition.hpp"

#include "world.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <set>

using namespace toygres;
using namespace toygres::test;
using asio::experimental::awaitable_operators::operator&&;

namespace {

constexpr auto path = "/api/v1/instances/mydb";

void make_running(World& world) {
    REQUIRE(world.call("POST", "/api/v1/instances", {{"name", "mydb"}}).status == 202);
    world.sql("UPDATE operations SET state = 'succeeded', finished_at = now()");
    world.sql("SELECT set_instance_state(id, 'running', 'test', NULL, NULL, 'x') FROM instances");
}

std::string etag(World& world) { return std::string(world.call("GET", path).headers.get("ETag")); }

bool has(const std::string& list, const std::string& tag, bool weak_too = false) {
    return value_or_raise(api::has_tag("If-Match", list, tag, weak_too));
}

struct Change {
    std::string method;
    std::string path;
    Json body;
};

}  // namespace

TEST_CASE("entity tags: lists, weak ones, and what is none") {
    CHECK(has("*", "\"a\""));
    CHECK(has("\"a\"", "\"a\""));
    CHECK(has(" \"b\" ,\t\"a\" ", "\"a\""));
    CHECK_FALSE(has("\"b\"", "\"a\""));
    CHECK_FALSE(has("W/\"a\"", "\"a\""));
    CHECK(has("W/\"a\"", "\"a\"", true));
    for (const auto* wrong : {"", "a", "\"a", "\"a\" \"b\"", "\"a\",", ",\"a\"", "*, \"a\"", "w/\"a\""}) {
        INFO(wrong);
        const auto refused = api::has_tag("If-Match", wrong, "\"a\"", false);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == "invalid_request");
    }
}

TEST_CASE("ETag: is strong, stays while nothing changes, and changes with what is shown") {
    World world;
    make_running(world);
    const auto first = etag(world);
    CHECK(first.starts_with('"'));
    CHECK(etag(world) == first);
    std::set<std::string> seen{first};
    for (const auto* change : {"SELECT set_instance_health(id, 'healthy', 'test', 'x') FROM instances",
                               "UPDATE replication SET policy = policy || '{\"silence_ms\": 7000}'",
                               "UPDATE replication SET record = jsonb_set(record, '{durability}', '\"strict\"')"}) {
        world.sql(change);
        INFO(change);
        CHECK(seen.insert(etag(world)).second);
    }
}

TEST_CASE("If-None-Match: 304 without a body while the instance is as the caller has it") {
    World world;
    make_running(world);
    const auto tag = etag(world);
    for (const auto& list : {tag, "W/" + tag, "\"other\", " + tag, std::string("*")}) {
        const auto same = world.call("GET", path, {}, {{"If-None-Match", list}});
        CHECK(same.status == 304);
        CHECK(same.body.empty());
        CHECK(same.headers.get("ETag") == tag);
    }
    CHECK(world.call("GET", path, {}, {{"If-None-Match", "\"other\""}}).status == 200);
    CHECK(fields_of(world.call("GET", path, {}, {{"If-None-Match", "other"}})) ==
          std::vector<std::string>{"If-None-Match"});
    world.sql("SELECT set_instance_health(id, 'healthy', 'test', 'x') FROM instances");
    CHECK(world.call("GET", path, {}, {{"If-None-Match", tag}}).status == 200);
}

TEST_CASE("If-Match: every call that changes an instance is refused when it has changed, and changes nothing") {
    World world;
    make_running(world);
    const auto stale = etag(world);
    world.sql("SELECT set_instance_health(id, 'healthy', 'test', 'x') FROM instances");
    const auto replication = std::string(path) + "/replication";
    const std::vector<Change> changes{{"PATCH", path, {{"owner", "other"}}},
                                      {"PATCH", std::string(path) + "/tags", {{"team", "other"}}},
                                      {"DELETE", path, {}},
                                      {"POST", std::string(path) + "/rotate-password", {}},
                                      {"PATCH", replication, {{"durability", "strict"}}},
                                      {"POST", std::string(path) + "/replicas", Json::object()},
                                      {"DELETE", std::string(path) + "/replicas/2", {}},
                                      {"POST", std::string(path) + "/promote", Json::object()},
                                      {"POST", std::string(path) + "/switchover", Json::object()},
                                      {"POST", std::string(path) + "/failover", Json::object()},
                                      {"POST", std::string(path) + "/resync", Json::object()},
                                      {"POST", std::string(path) + "/hold", Json::object()},
                                      {"POST", std::string(path) + "/resume", Json::object()},
                                      {"POST", std::string(path) + "/verify", Json::object()}};
    const auto before = etag(world);
    for (const auto& change : changes) {
        INFO(change.method << " " << change.path);
        const auto refused = world.call(change.method, change.path, change.body, {{"If-Match", stale}});
        CHECK(refused.status == 412);
        CHECK(code_of(refused) == "precondition_failed");
        CHECK(etag(world) == before);
        CHECK(world.sql("SELECT 1 FROM operations").size() == 1);
        const auto weak = world.call(change.method, change.path, change.body, {{"If-Match", "W/" + before}});
        CHECK(weak.status == 412);
        const auto wrong = world.call(change.method, change.path, change.body, {{"If-Match", "none"}});
        CHECK(fields_of(wrong) == std::vector<std::string>{"If-Match"});
    }
    CHECK(world.sql("SELECT 1 FROM replication WHERE request IS NOT NULL").empty());
    CHECK(world.call("DELETE", path, {}, {{"If-Match", before}}).status == 202);
}

TEST_CASE("If-Match: a change gives the tag of what is there now, and the next one takes it") {
    World world;
    make_running(world);
    auto tag = etag(world);
    for (const auto* owner : {"first", "second"}) {
        const auto changed = world.call("PATCH", path, {{"owner", owner}}, {{"If-Match", tag}});
        REQUIRE(changed.status == 200);
        CHECK(json_of(changed).at("owner") == owner);
        tag = changed.headers.get("ETag");
        CHECK(tag == etag(world));
    }
    CHECK(world.call("PATCH", path, {{"owner", "third"}}, {{"If-Match", "*"}}).status == 200);
    CHECK(world.call("PATCH", "/api/v1/instances/nothing", {{"owner", "third"}}, {{"If-Match", "*"}}).status == 404);
}

TEST_CASE("If-Match: of two at once that have seen the same, one wins") {
    World world;
    make_running(world);
    for (int round = 0; round < 8; ++round) {
        const auto tag = etag(world);
        const auto a = world.request("PATCH", path, {{"owner", "a" + std::to_string(round)}}, {{"If-Match", tag}});
        const auto b = world.request("PATCH", path, {{"owner", "b" + std::to_string(round)}}, {{"If-Match", tag}});
        const auto [one, other] = run(world.io, (world.send_async(a) && world.send_async(b)));
        CHECK(std::set{one.status, other.status} == std::set{200, 412});
        const auto& winner = one.status == 200 ? one : other;
        CHECK(json_of(world.call("GET", path)).at("owner") == json_of(winner).at("owner"));
    }
}

TEST_CASE("If-Match: a repeat with its idempotency key is answered as the first call was") {
    World world;
    make_running(world);
    const http::Headers headers{{"If-Match", etag(world)}, {"Idempotency-Key", "k"}};
    const auto first = world.call("DELETE", path, {}, headers);
    REQUIRE(first.status == 202);
    CHECK(etag(world) != headers.get("If-Match"));
    const auto again = world.call("DELETE", path, {}, headers);
    CHECK(again.status == 202);
    CHECK(again.body == first.body);
}
