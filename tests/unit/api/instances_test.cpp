#include "world.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <set>

using namespace toygres;
using namespace toygres::test;
using asio::experimental::awaitable_operators::operator&&;

namespace {

std::int64_t count(World& world, const std::string& table) {
    return world.sql("SELECT count(*) FROM " + table)[0].get<std::int64_t>(0);
}

}  // namespace

TEST_CASE("create: is accepted with an operation, and everything of it is recorded at once") {
    World world;
    const auto response = world.call("POST", "/api/v1/instances",
                                     {{"name", "mydb"},
                                      {"password", "correct horse"},
                                      {"storage_size_gb", 3},
                                      {"check_interval", "5s"},
                                      {"internal", true},
                                      {"tags", {{"team", "web"}}}},
                                     {{"X-Request-Id", "req-1"}});
    REQUIRE(response.status == 202);
    CHECK(response.headers.get("X-Request-Id") == "req-1");
    const auto body = json_of(response);
    const auto id = body.at("/operation/id"_json_pointer).get<std::string>();
    CHECK(response.headers.get("Location") == "/api/v1/operations/" + id);
    CHECK(body.at("/operation/state"_json_pointer) == "running");
    CHECK(body.at("/operation/kind"_json_pointer) == "create_instance");
    CHECK_FALSE(body.at("operation").contains("request_digest"));
    const auto& instance = body.at("instance");
    CHECK(instance.at("name") == "mydb");
    CHECK(instance.at("state") == "creating");
    CHECK(instance.at("postgres_version") == "15");
    CHECK(instance.at("storage_size_gb") == 3);
    CHECK(instance.at("check_interval_ms") == 5000);
    CHECK(instance.at("use_load_balancer") == false);
    CHECK(instance.at("created_by") == "writer");
    CHECK(instance.at("tags") == Json{{"team", "web"}});

    const auto k8s_name = instance.at("k8s_name").get<std::string>();
    const auto orchestration = json_of(world.call("GET", "/api/v1/orchestrations/create-" + k8s_name));
    CHECK(orchestration.at("status") == "pending");
    CHECK(orchestration.at("input").at("operation") == id);
    CHECK(json_of(world.call("GET", "/api/v1/operations/" + id)).at("request_id") == "req-1");
    const auto sealed = world.sql("SELECT name, sealed FROM sealed_secrets");
    REQUIRE(sealed.size() == 1);
    CHECK(sealed[0].text(0) == "superuser_password");
    CHECK(value_or_raise(world.sealer.open(sealed[0].text(1), k8s_name)).reveal() == "correct horse");
}

TEST_CASE("operations: what Kubernetes keeps one waiting for is its progress while it runs") {
    World world;
    const auto created = json_of(world.call("POST", "/api/v1/instances", {{"name", "mydb"}}));
    const auto id = created.at("/operation/id"_json_pointer).get<std::string>();
    const auto progress = [&] {
        return json_of(world.call("GET", "/api/v1/operations/" + id)).value("progress", Json::object());
    };
    CHECK_FALSE(progress().contains("reason"));
    world.sql(R"(UPDATE operations SET trouble = '{"reason": "ImagePullBackOff", "message": "no such image"}')");
    CHECK(progress().at("reason") == "ImagePullBackOff");
    CHECK(progress().at("message") == "no such image");
    world.sql(R"(UPDATE orchestrations SET custom_status = '{"stage": "starting PostgreSQL"}')");
    CHECK(progress().at("stage") == "starting PostgreSQL");
    CHECK(progress().at("reason") == "ImagePullBackOff");
    world.sql("UPDATE operations SET state = 'failed', finished_at = now()");
    CHECK_FALSE(progress().contains("reason"));
}

TEST_CASE("create: a placement is kept with the instance and told") {
    World world;
    const Json placement = {{"spread", "zone"},
                            {"resources", {{"cpu_request", "500m"}}},
                            {"service_annotations", {{"a.example/b", "c"}}},
                            {"load_balancer_source_ranges", {"203.0.113.0/24"}}};
    const auto response = world.call("POST", "/api/v1/instances", {{"name", "mydb"}, {"placement", placement}});
    REQUIRE(response.status == 202);
    CHECK(json_of(response).at("instance").at("placement") == placement);
    CHECK(json_of(world.call("GET", "/api/v1/instances/mydb")).at("placement") == placement);
    REQUIRE(world.call("POST", "/api/v1/instances", {{"name", "plain"}}).status == 202);
    CHECK(json_of(world.call("GET", "/api/v1/instances/plain")).at("placement") == Json::object());
}

TEST_CASE("create: leaves no password in the database, only its seal") {
    World world;
    REQUIRE(world
                .call("POST", "/api/v1/instances", {{"name", "mydb"}, {"password", "correct-horse"}},
                      {{"Idempotency-Key", "k"}})
                .status == 202);
    for (const auto* table :
         {"instances", "operations", "instance_events", "orchestrations", "inbox", "sealed_secrets"})
        CHECK(world.sql(std::string("SELECT 1 FROM ") + table + " t WHERE t::text LIKE '%correct-horse%'").empty());
}

TEST_CASE("create: a name that is taken is a conflict that tells the state of its holder") {
    World world;
    REQUIRE(world.call("POST", "/api/v1/instances", {{"name", "mydb"}}).status == 202);
    const auto second = world.call("POST", "/api/v1/instances", {{"name", "mydb"}});
    CHECK(second.status == 409);
    CHECK(code_of(second) == "name_taken");
    CHECK(json_of(second).at("detail").get<std::string>().contains("creating"));
    CHECK(count(world, "operations") == 1);
    CHECK(count(world, "orchestrations") == 1);
}

TEST_CASE("create: of two for one name at once, one wins") {
    World world;
    const auto one = world.request("POST", "/api/v1/instances", {{"name", "mydb"}});
    for (int round = 0; round < 5; ++round) {
        auto request = one;
        request.body = Json{{"name", "mydb" + std::to_string(round)}}.dump();
        const auto [a, b] = run(world.io, (world.send_async(request) && world.send_async(request)));
        CHECK(std::set{a.status, b.status} == std::set{202, 409});
        CHECK(code_of(a.status == 409 ? a : b) == "name_taken");
    }
    CHECK(count(world, "instances") == 5);
    CHECK(count(world, "orchestrations") == 5);
}

TEST_CASE("idempotency: a repeated key gives the same operation and changes nothing") {
    World world;
    const http::Headers key{{"Idempotency-Key", "key-1"}};
    const auto first = world.call("POST", "/api/v1/instances", {{"name", "mydb"}}, key);
    const auto second = world.call("POST", "/api/v1/instances", {{"name", "mydb"}}, key);
    CHECK(first.status == 202);
    CHECK(second.status == 202);
    CHECK(json_of(first).at("/operation/id"_json_pointer) == json_of(second).at("/operation/id"_json_pointer));
    CHECK(count(world, "instances") == 1);
    CHECK(count(world, "instance_events") == 1);

    SECTION("even when the body is written differently") {
        auto request = world.request("POST", "/api/v1/instances", {{"name", "mydb"}}, key);
        request.body = " { \"name\" : \"mydb\" } ";
        CHECK(world.send(request).status == 202);
    }
    SECTION("but not for another request") {
        const auto other = world.call("POST", "/api/v1/instances", {{"name", "other"}}, key);
        CHECK(other.status == 409);
        CHECK(code_of(other) == "idempotency_key_reused");
        CHECK(count(world, "instances") == 1);
    }
    SECTION("nor for another password") {
        const auto other =
            world.call("POST", "/api/v1/instances", {{"name", "mydb"}, {"password", "other-password"}}, key);
        CHECK(code_of(other) == "idempotency_key_reused");
    }
}

TEST_CASE("idempotency: a repeat is answered as the first call was, whatever happened since") {
    World world;
    const http::Headers key{{"Idempotency-Key", "key-1"}};
    const auto first = world.call("POST", "/api/v1/instances", {{"name", "mydb"}}, key);
    world.sql("SELECT set_instance_state(id, 'failed', 'test', NULL, NULL, 'x') FROM instances");
    world.sql("UPDATE operations SET state = 'failed', finished_at = now()");
    const auto second = world.call("POST", "/api/v1/instances", {{"name", "mydb"}}, key);
    CHECK(second.status == first.status);
    CHECK(second.body == first.body);
    CHECK(second.headers.get("Location") == first.headers.get("Location"));
}

TEST_CASE("idempotency: a key is kept for a day, then it is as good as new") {
    World world;
    const http::Headers key{{"Idempotency-Key", "key-1"}};
    REQUIRE(world.call("POST", "/api/v1/instances", {{"name", "mydb"}}, key).status == 202);
    const auto make_older = [&](const std::string& age) {
        for (const auto* table : {"idempotency_keys", "operations"})
            world.sql(std::string("UPDATE ") + table + " SET created_at = now() - interval '" + age + "'");
    };
    make_older("23 hours 59 minutes");
    CHECK(code_of(world.call("POST", "/api/v1/instances", {{"name", "other"}}, key)) == "idempotency_key_reused");
    make_older("24 hours 1 minute");
    SECTION("also where nobody has cleared it away") {}
    SECTION("and is cleared away by and by") {
        CHECK(world.sql("SELECT free_idempotency_keys(NULL, NULL)")[0].get<int>(0) == 1);
        CHECK(count(world, "idempotency_keys") == 0);
        CHECK(world.sql("SELECT 1 FROM operations WHERE idempotency_key IS NOT NULL").empty());
    }
    CHECK(world.call("POST", "/api/v1/instances", {{"name", "other"}}, key).status == 202);
    CHECK(count(world, "instances") == 2);
    CHECK(count(world, "idempotency_keys") == 1);
}

TEST_CASE("idempotency: keys are those of a token") {
    World world;
    const auto other = world.token_of("other", "admin");
    const http::Headers key{{"Idempotency-Key", "key-1"}};
    const http::Headers others{{"Idempotency-Key", "key-1"}, {"Authorization", "Bearer " + other}};
    REQUIRE(world.call("POST", "/api/v1/instances", {{"name", "mydb"}}, key).status == 202);
    CHECK(world.call("POST", "/api/v1/instances", {{"name", "second"}}, others).status == 202);
    CHECK(count(world, "instances") == 2);
}

TEST_CASE("idempotency: what a release before has kept on the operation alone still counts") {
    World world;
    const http::Headers key{{"Idempotency-Key", "key-1"}};
    const auto first = world.call("POST", "/api/v1/instances", {{"name", "mydb"}}, key);
    world.sql("DELETE FROM idempotency_keys");
    const auto second = world.call("POST", "/api/v1/instances", {{"name", "mydb"}}, key);
    CHECK(second.status == 202);
    CHECK(json_of(second).at("/operation/id"_json_pointer) == json_of(first).at("/operation/id"_json_pointer));
}

TEST_CASE("idempotency: a deletion that joins another is answered under its own key, also when all is over") {
    World world;
    REQUIRE(world.call("POST", "/api/v1/instances", {{"name", "mydb"}}).status == 202);
    const auto first = world.call("DELETE", "/api/v1/instances/mydb", {}, {{"Idempotency-Key", "d1"}});
    const auto joined = world.call("DELETE", "/api/v1/instances/mydb", {}, {{"Idempotency-Key", "d2"}});
    REQUIRE(joined.status == 202);
    for (const auto* state : {"deleting", "deleted"})
        world.sql(std::string("SELECT set_instance_state(id, '") + state +
                  "', 'test', NULL, NULL, 'x') FROM instances");
    world.sql("UPDATE operations SET state = 'succeeded', finished_at = now()");
    const auto repeated = world.call("DELETE", "/api/v1/instances/mydb", {}, {{"Idempotency-Key", "d2"}});
    CHECK(repeated.status == 202);
    CHECK(repeated.body == joined.body);
    CHECK(json_of(repeated).at("/operation/id"_json_pointer) == json_of(first).at("/operation/id"_json_pointer));
}

TEST_CASE("idempotency: of two requests with one key at once, both get the one operation") {
    World world;
    for (int round = 0; round < 5; ++round) {
        const auto n = std::to_string(round);
        const auto request =
            world.request("POST", "/api/v1/instances", {{"name", "mydb" + n}}, {{"Idempotency-Key", "key-" + n}});
        const auto [a, b] = run(world.io, (world.send_async(request) && world.send_async(request)));
        CHECK(a.status == 202);
        CHECK(b.status == 202);
        CHECK(json_of(a).at("/operation/id"_json_pointer) == json_of(b).at("/operation/id"_json_pointer));
    }
    CHECK(count(world, "operations") == 5);
}

TEST_CASE("delete: is accepted, and a second one gets the operation that runs") {
    World world;
    REQUIRE(world.call("POST", "/api/v1/instances", {{"name", "mydb"}}).status == 202);
    const auto first = world.call("DELETE", "/api/v1/instances/mydb");
    REQUIRE(first.status == 202);
    const auto operation = json_of(first).at("operation");
    CHECK(operation.at("kind") == "delete_instance");
    CHECK(first.headers.get("Location") == "/api/v1/operations/" + operation.at("id").get<std::string>());
    const auto second = world.call("DELETE", "/api/v1/instances/mydb");
    CHECK(second.status == 202);
    CHECK(json_of(second).at("/operation/id"_json_pointer) == operation.at("id"));
    const auto instance = json_of(world.call("GET", "/api/v1/instances/mydb"));
    CHECK(instance.at("delete_orchestration_id") == operation.at("orchestration"));
    CHECK(count(world, "operations") == 2);
}

TEST_CASE("delete: of two at once, both get the one operation") {
    World world;
    for (int round = 0; round < 5; ++round) {
        const auto name = "mydb" + std::to_string(round);
        REQUIRE(world.call("POST", "/api/v1/instances", {{"name", name}}).status == 202);
        const auto request = world.request("DELETE", "/api/v1/instances/" + name);
        const auto [a, b] = run(world.io, (world.send_async(request) && world.send_async(request)));
        CHECK(a.status == 202);
        CHECK(b.status == 202);
        CHECK(json_of(a).at("/operation/id"_json_pointer) == json_of(b).at("/operation/id"_json_pointer));
    }
}

TEST_CASE("delete: what is deleted or was never there is not found") {
    World world;
    CHECK(code_of(world.call("DELETE", "/api/v1/instances/nothing")) == "instance_not_found");
    REQUIRE(world.call("POST", "/api/v1/instances", {{"name", "mydb"}}).status == 202);
    REQUIRE(world.call("DELETE", "/api/v1/instances/mydb", {}, {{"Idempotency-Key", "d"}}).status == 202);
    world.sql(
        "SELECT set_instance_state(id, 'deleting', 'test', NULL, NULL, 'x'), "
        "set_instance_state(id, 'deleted', 'test', NULL, NULL, 'x') FROM instances");
    world.sql("UPDATE operations SET state = 'succeeded', finished_at = now()");
    const auto again = world.call("DELETE", "/api/v1/instances/mydb");
    CHECK(again.status == 404);
    CHECK(world.call("GET", "/api/v1/instances/mydb").status == 404);
    const auto kept = world.call("GET", "/api/v1/instances/mydb?include_deleted=true");
    CHECK(json_of(kept).at("state") == "deleted");
    // A repeat of the call that did it is still answered as it was.
    const auto repeated = world.call("DELETE", "/api/v1/instances/mydb", {}, {{"Idempotency-Key", "d"}});
    CHECK(repeated.status == 202);
    CHECK(json_of(repeated).at("/operation/state"_json_pointer) == "running");
    // The name is free.
    CHECK(world.call("POST", "/api/v1/instances", {{"name", "mydb"}}).status == 202);
}

TEST_CASE("list: pages by cursor, newest first, and filters") {
    World world;
    for (int i = 0; i < 5; ++i)
        REQUIRE(world.call("POST", "/api/v1/instances", {{"name", "db" + std::to_string(i)}}).status == 202);
    std::vector<std::string> names;
    std::string token;
    int pages = 0;
    do {
        const auto page =
            json_of(world.call("GET", "/api/v1/instances?limit=2" + (token.empty() ? "" : "&page_token=" + token)));
        for (const auto& instance : page.at("instances")) names.push_back(instance.at("name").get<std::string>());
        token = page.value("next_page_token", "");
        ++pages;
    } while (!token.empty() && pages < 10);
    CHECK(pages == 3);
    CHECK(names == std::vector<std::string>{"db4", "db3", "db2", "db1", "db0"});

    REQUIRE(world.call("POST", "/api/v1/instances", {{"name", "other"}}).status == 202);
    const auto count_of = [&](const std::string& query) {
        return json_of(world.call("GET", "/api/v1/instances?" + query)).at("instances").size();
    };
    CHECK(count_of("name_prefix=db") == 5);
    CHECK(count_of("state=creating") == 6);
    CHECK(count_of("state=running") == 0);
    CHECK(count_of("health=unknown&name_prefix=oth") == 1);
    CHECK(json_of(world.call("GET", "/api/v1/operations?instance=other")).at("operations").size() == 1);
    CHECK(json_of(world.call("GET", "/api/v1/operations?limit=4")).contains("next_page_token"));
    const auto all = json_of(world.call("GET", "/api/v1/orchestrations?name=create_instance&limit=5"));
    CHECK(all.at("orchestrations").size() == 5);
    const auto rest = json_of(world.call("GET", "/api/v1/orchestrations?name=create_instance&limit=5&page_token=" +
                                                    all.at("next_page_token").get<std::string>()));
    CHECK(rest.at("orchestrations").size() == 1);
    CHECK(json_of(world.call("GET", "/api/v1/orchestrations?id_prefix=create-other")).at("orchestrations").size() == 1);
}

TEST_CASE("tags: are set and taken away one by one, and every change is in the instance's events") {
    World world;
    REQUIRE(
        world.call("POST", "/api/v1/instances", {{"name", "mydb"}, {"tags", {{"team", "web"}, {"old", "1"}}}}).status ==
        202);
    const std::string path = "/api/v1/instances/mydb/tags";
    const auto tags_after = [&](const Json& patch) {
        const auto response = world.call("PATCH", path, patch);
        REQUIRE(response.status == 200);
        CHECK(response.headers.get("ETag") == world.call("GET", "/api/v1/instances/mydb").headers.get("ETag"));
        return json_of(response).at("tags");
    };
    CHECK(tags_after({{"old", nullptr}, {"env", "prod"}, {"never", nullptr}}) ==
          Json{{"team", "web"}, {"env", "prod"}});
    CHECK(tags_after({{"env", "prod"}}) == Json{{"team", "web"}, {"env", "prod"}});
    CHECK(tags_after(Json::object()) == Json{{"team", "web"}, {"env", "prod"}});
    CHECK(json_of(world.call("GET", "/api/v1/instances?tag=env=prod")).at("instances").size() == 1);
    CHECK(json_of(world.call("GET", "/api/v1/instances?tag=old")).at("instances").empty());
    const auto events = world.sql(
        "SELECT metadata -> 'before', metadata -> 'after', actor FROM instance_events WHERE event_type = "
        "'tags_change'");
    REQUIRE(events.size() == 1);
    CHECK(*parse_json(events[0].text(0)) == Json{{"team", "web"}, {"old", "1"}});
    CHECK(*parse_json(events[0].text(1)) == Json{{"team", "web"}, {"env", "prod"}});
    CHECK(events[0].text(2) == "writer");

    const auto wrong = [&](const Json& patch) { return fields_of(world.call("PATCH", path, patch)); };
    CHECK(wrong({{"env", 3}}) == std::vector<std::string>{"tags.env"});
    CHECK(wrong({{"env", std::string(256, 'x')}}) == std::vector<std::string>{"tags.env"});
    CHECK(wrong({{"", "x"}}) == std::vector<std::string>{"tags"});
    CHECK(wrong(Json::array()) == std::vector<std::string>{"tags"});
    Json many = Json::object();
    for (int i = 0; i < 63; ++i) many["k" + std::to_string(i)] = "v";
    CHECK(wrong(many) == std::vector<std::string>{"tags"});
    CHECK(tags_after(Json::object()) == Json{{"team", "web"}, {"env", "prod"}});
    CHECK(world.call("PATCH", "/api/v1/instances/nodb/tags", {{"a", "b"}}).status == 404);
    CHECK(world.call("PATCH", path, {{"a", "b"}}, {{"Authorization", "Bearer " + world.token_of("other", "operator")}})
              .status == 403);
}
