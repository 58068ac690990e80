// Several instances in one call: each is accepted or refused by itself.
#include "world.hpp"

#include <fmt/format.h>

using namespace toygres;
using namespace toygres::test;

namespace {

constexpr auto create = "/api/v1/bulk/create-instances";
constexpr auto remove_many = "/api/v1/bulk/delete-instances";

std::vector<int> statuses_of(const http::Response& response) {
    std::vector<int> out;
    for (const auto& item : json_of(response).at("items")) out.push_back(item.at("status").get<int>());
    return out;
}

Json named(std::initializer_list<const char*> names) {
    Json out = Json::array();
    for (const auto* name : names) out.push_back({{"name", name}});
    return {{"instances", out}};
}

std::size_t count(World& world, const std::string& rows) { return world.sql("SELECT 1 FROM " + rows).size(); }

}  // namespace

TEST_CASE("bulk: creations are accepted or refused one by one, each with the answer of a call of its own") {
    World world;
    REQUIRE(world.call("POST", "/api/v1/instances", {{"name", "taken"}}).status == 202);
    auto body = named({"a", "taken", "Not A Name", "b"});
    body["instances"].push_back({{"name", "c"}, {"colour", "red"}});
    body["instances"].push_back(7);
    const auto response = world.call("POST", create, body);
    REQUIRE(response.status == 207);
    CHECK(statuses_of(response) == std::vector<int>{202, 409, 400, 202, 400, 400});
    const auto told = json_of(response);
    CHECK(told.at("accepted") == 2);
    CHECK(told.at("refused") == 4);
    CHECK(told.at("/items/0/operation/kind"_json_pointer) == "create_instance");
    CHECK(told.at("/items/0/instance/name"_json_pointer) == "a");
    CHECK(told.at("/items/1/problem/code"_json_pointer) == "name_taken");
    CHECK(told.at("/items/2/problem/errors/0/field"_json_pointer) == "name");
    CHECK(told.at("/items/4/problem/errors/0/field"_json_pointer) == "colour");
    CHECK(count(world, "instances") == 3);
    CHECK(count(world, "orchestrations") == 3);
}

TEST_CASE("bulk: deletions are, with an entry of the audit each") {
    World world;
    REQUIRE(world.call("POST", create, named({"a", "b", "c"})).status == 207);
    const auto response = world.call("POST", remove_many, {{"names", {"a", "nothing", "b"}}});
    REQUIRE(response.status == 207);
    CHECK(statuses_of(response) == std::vector<int>{202, 404, 202});
    CHECK(count(world, "operations WHERE kind = 'delete_instance'") == 2);
    const auto entries = json_of(world.call("GET", "/api/v1/audit?action=instance.delete")).at("audit");
    REQUIRE(entries.size() == 2);
    CHECK(entries[0].at("object") == "b");
    CHECK(entries[1].at("object") == "a");
    for (const auto& entry : entries) CHECK(entry.at("outcome") == "done");
}

TEST_CASE("bulk: nobody deletes what is somebody else's, and a viewer nothing at all") {
    World world;
    REQUIRE(world.call("POST", create, named({"a", "b"})).status == 207);
    const auto other = "Bearer " + world.token_of("other", "operator");
    REQUIRE(world.call("PATCH", "/api/v1/instances/b", {{"owner", "other"}}).status == 200);
    const auto response = world.call("POST", remove_many, {{"names", {"a", "b"}}}, {{"Authorization", other}});
    CHECK(statuses_of(response) == std::vector<int>{403, 202});
    CHECK(json_of(response).at("/items/0/problem/code"_json_pointer) == "not_owner");
    const auto denied = json_of(world.call("GET", "/api/v1/audit?outcome=denied")).at("audit");
    REQUIRE(denied.size() == 1);
    CHECK(denied[0].at("object") == "a");
    CHECK(denied[0].at("code") == "not_owner");
    for (const auto* path : {create, remove_many})
        CHECK(world.call("POST", path, Json::object(), {{"Authorization", "Bearer " + world.reader}}).status == 403);
}

TEST_CASE("bulk: a repeat goes on where the first call was cut off") {
    World world;
    const http::Headers key{{"Idempotency-Key", "k"}};
    const auto first = world.call("POST", create, named({"a", "b"}), key);
    const auto again = world.call("POST", create, named({"a", "b"}), key);
    CHECK(again.body == first.body);
    CHECK(count(world, "instances") == 2);
    const auto further = world.call("POST", create, named({"a", "x", "c"}), key);
    CHECK(statuses_of(further) == std::vector<int>{202, 409, 202});
    CHECK(json_of(further).at("/items/1/problem/code"_json_pointer) == "idempotency_key_reused");
    CHECK(count(world, "instances") == 3);
}

TEST_CASE("bulk: a deletion that was accepted is answered so again when the instance is gone") {
    World world;
    REQUIRE(world.call("POST", create, named({"a"})).status == 207);
    const http::Headers key{{"Idempotency-Key", "k"}};
    const auto first = world.call("POST", remove_many, {{"names", {"a", "b"}}}, key);
    for (const auto* state : {"deleting", "deleted"})
        world.sql(fmt::format("SELECT set_instance_state(id, '{}', 'test', NULL, NULL, 'x') FROM instances", state));
    const auto again = world.call("POST", remove_many, {{"names", {"a", "b"}}}, key);
    CHECK(statuses_of(first) == std::vector<int>{202, 404});
    CHECK(statuses_of(again) == std::vector<int>{202, 404});
    CHECK(json_of(again).at("/items/0/operation"_json_pointer) == json_of(first).at("/items/0/operation"_json_pointer));
}

TEST_CASE("bulk: none and more than a hundred are refused, and nothing is done") {
    World world;
    Json many = Json::array();
    for (int i = 0; i < 101; ++i) many.push_back({{"name", fmt::format("db{}", i)}});
    for (const auto& body :
         {Json{{"instances", Json::array()}}, Json{{"instances", many}}, Json{{"instances", 1}}, Json::object()})
        CHECK(fields_of(world.call("POST", create, body)) == std::vector<std::string>{"instances"});
    CHECK(fields_of(world.call("POST", remove_many, {{"names", Json::array()}})) == std::vector<std::string>{"names"});
    CHECK(fields_of(world.call("POST", remove_many, {{"names", {1}}})) == std::vector<std::string>{"names[0]"});
    CHECK(world.call("POST", create, named({"a"}), {{"Idempotency-Key", "a key"}}).status == 400);
    CHECK(count(world, "instances") == 0);
    many.erase(100);
    CHECK(json_of(world.call("POST", create, {{"instances", many}})).at("accepted") == 100);
}

TEST_CASE("rate: a token above it is answered 429 with the time to wait; others and what needs no token are not") {
    World world("http://127.0.0.1:1", {}, {.per_second = 1, .burst = 3});
    for (int n = 0; n < 3; ++n) CHECK(world.call("GET", "/api/v1/instances").status == 200);
    const auto refused = world.call("GET", "/api/v1/instances");
    CHECK(refused.status == 429);
    CHECK(code_of(refused) == "rate_limited");
    CHECK(refused.headers.get("Retry-After") == "1");
    CHECK(world.call("GET", "/api/v1/instances", {}, {{"Authorization", "Bearer " + world.reader}}).status == 200);
    for (const auto* open : {"/livez", "/readyz", "/version", "/metrics"}) CHECK(world.call("GET", open).status == 200);
}

TEST_CASE("rate: a bulk call counts as many as it has items") {
    World world("http://127.0.0.1:1", {}, {.per_second = 1, .burst = 3});
    Json names = Json::array();
    for (int n = 0; n < 100; ++n) names.push_back(fmt::format("db{}", n));
    CHECK(world.call("POST", remove_many, {{"names", names}}).status == 207);
    CHECK(code_of(world.call("GET", "/api/v1/instances")) == "rate_limited");
}
