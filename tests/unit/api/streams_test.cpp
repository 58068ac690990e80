#include "base/crypto.hpp"
#include "world.hpp"

#include <fmt/format.h>

using namespace toygres;
using namespace toygres::test;

namespace {

std::size_t occurrences(const std::string& text, const std::string& part) {
    std::size_t out = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++out;
    return out;
}

// Reads a stream until `enough` says so or the server ends it.
std::string read_stream(World& world, http::Request request, std::function<bool(const std::string&)> enough) {
    std::string text;
    const auto response = run(world.io, world.http->stream(std::move(request), 30s, [&](std::string_view piece) {
        text += piece;
        return !enough(text);
    }));
    REQUIRE(response);
    REQUIRE(response->status == 200);
    return text;
}

std::string last_id(const std::string& stream) {
    const auto at = stream.rfind("id: ");
    return stream.substr(at + 4, stream.find('\n', at) - at - 4);
}

constexpr auto to_state = "SELECT set_instance_state(id, '{}', 'test', NULL, NULL, 'x') FROM instances";

}  // namespace

TEST_CASE("events: the timeline tells who did what under which request") {
    World world;
    REQUIRE(world.call("POST", "/api/v1/instances", {{"name", "mydb"}}, {{"X-Request-Id", "req-7"}}).status == 202);
    const auto body = json_of(world.call("GET", "/api/v1/instances/mydb/events"));
    REQUIRE(body.at("events").size() == 2);
    for (const auto& event : body.at("events")) {
        CHECK(event.at("actor") == "writer");
        CHECK(event.at("request_id") == "req-7");
    }
    CHECK(world.call("GET", "/api/v1/instances/nothing/events").status == 404);
}

TEST_CASE("events: a stream tells what is there and what comes, each once") {
    World world;
    REQUIRE(world.call("POST", "/api/v1/instances", {{"name", "mydb"}}).status == 202);
    bool changed = false;
    const auto text = read_stream(
        world, world.request("GET", "/api/v1/instances/mydb/events", {}, {{"Accept", "text/event-stream"}}),
        [&](const std::string& so_far) {
            if (!changed && occurrences(so_far, "\n\n") == 2) {
                changed = true;
                asio::co_spawn(
                    world.io,
                    [](std::shared_ptr<pg::Pool> pool) -> asio::awaitable<void> {
                        co_await pool->execute(
                            {"t", "SELECT set_instance_state(id, 'running', 'test', NULL, NULL, 'x') FROM instances"});
                    }(world.pool),
                    asio::detached);
            }
            return so_far.contains("creating -> running");
        });
    CHECK(changed);
    CHECK(occurrences(text, "event: state_change\n") == 2);
    CHECK(occurrences(text, "event: operation_started\n") == 1);

    SECTION("and goes on after the last event that the reader has seen") {
        world.sql("SELECT set_instance_state(id, 'deleting', 'test', NULL, NULL, 'x') FROM instances");
        const auto more = read_stream(
            world,
            world.request("GET", "/api/v1/instances/mydb/events?follow=true", {}, {{"Last-Event-ID", last_id(text)}}),
            [](const std::string& so_far) { return so_far.contains("-> deleting"); });
        CHECK(occurrences(more, "event: ") == 1);
    }
    SECTION("and ends when the instance is gone") {
        for (const auto* state : {"deleting", "deleted"}) world.sql(fmt::format(fmt::runtime(to_state), state));
        const auto all = read_stream(world, world.request("GET", "/api/v1/instances/mydb/events?follow=true"),
                                     [](const std::string&) { return false; });
        CHECK(all.ends_with("event: end\ndata: {}\n\n"));
        CHECK(all.contains("deleting -> deleted"));
    }
}

TEST_CASE("events: who comes back gets what became visible late, and nothing twice") {
    World world;
    REQUIRE(world.call("POST", "/api/v1/instances", {{"name", "mydb"}}).status == 202);
    const auto add = [&](const std::string& what, const std::string& age) {
        world.sql("INSERT INTO instance_events (instance_id, event_type, message, actor, created_at) SELECT id, '" +
                  what + "', 'x', 'test', clock_timestamp() - interval '" + age + "' FROM instances");
    };
    const auto follow = [&](const std::string& last, const std::string& until) {
        return read_stream(
            world, world.request("GET", "/api/v1/instances/mydb/events?follow=true", {}, {{"Last-Event-ID", last}}),
            [&](const std::string& so_far) { return so_far.contains("event: " + until + "\n"); });
    };
    add("first", "0 s");
    const auto seen = follow("", "first");
    // Written before the last one that was seen, by a transaction that took longer.
    add("late", "2 s");
    add("second", "0 s");
    const auto more = follow(last_id(seen), "second");
    CHECK(occurrences(more, "event: ") == 2);
    CHECK(more.find("event: late\n") < more.find("event: second\n"));
    add("third", "0 s");
    CHECK(occurrences(follow(last_id(more), "third"), "event: ") == 1);

    SECTION("and all of it with an id that is none") {
        for (const auto* none : {"nothing", "-1-x", "99999999999999999999-x", "-"})
            CHECK(occurrences(follow(none, "third"), "event: ") >= 5);
    }
}

TEST_CASE("orchestrations: are shown, signalled and cancelled under ids with slashes") {
    World world;
    value_or_raise(
        run(world.io, world.client.start({.id = "delete-x/3/remove", .name = "child", .input = {{"a", 1}}})));
    const std::string path = "/api/v1/orchestrations/delete-x%2F3%2Fremove";
    const auto shown = json_of(world.call("GET", path));
    CHECK(shown.at("id") == "delete-x/3/remove");
    CHECK(shown.at("input") == Json{{"a", 1}});
    CHECK(json_of(world.call("GET", path + "/history")) ==
          Json{{"id", "delete-x/3/remove"}, {"execution", 1}, {"events", Json::array()}});
    CHECK(world.call("POST", path + "/signal", {{"name", "go"}, {"payload", {1, 2}}, {"dedup_key", "k"}}).status ==
          202);
    CHECK(world.call("POST", path + "/signal", {{"name", "go"}, {"dedup_key", "k"}}).status == 202);
    CHECK(world.sql("SELECT 1 FROM inbox WHERE kind = 'signal'").size() == 1);
    CHECK(world.call("POST", path + "/cancel", {{"reason", "enough"}}).status == 202);
    CHECK(world.sql("SELECT 1 FROM inbox WHERE kind = 'cancel'").size() == 1);
    CHECK(fields_of(world.call("POST", path + "/signal", {{"name", ""}})) == std::vector<std::string>{"name"});
    CHECK(fields_of(world.call("POST", path + "/cancel", Json::object())) == std::vector<std::string>{"reason"});
    CHECK(code_of(world.call("GET", "/api/v1/orchestrations/nothing")) == "orchestration_not_found");
    CHECK(world.call("POST", "/api/v1/orchestrations/nothing/cancel", {{"reason", "r"}}).status == 404);
    CHECK(world.call("POST", path + "/terminate", {{"reason", "at once"}}).status == 202);
    CHECK(world.sql("SELECT 1 FROM inbox WHERE kind = 'terminate'").size() == 1);
    CHECK(fields_of(world.call("POST", path + "/terminate", Json::object())) == std::vector<std::string>{"reason"});
    world.sql("UPDATE orchestrations SET status = 'completed', finished_at = now()");
    const auto finished = world.call("POST", path + "/cancel", {{"reason", "enough"}});
    CHECK(finished.status == 409);
    CHECK(code_of(finished) == "orchestration_finished");
}

TEST_CASE("orchestrations: are paused, resumed and begun again; what may not be is a conflict") {
    World world;
    value_or_raise(run(world.io, world.client.start({.id = "o", .name = "child", .input = Json::object()})));
    const std::string path = "/api/v1/orchestrations/o";
    for (const auto* order : {"pause", "resume"}) {
        CHECK(world.call("POST", path + "/" + order).status == 202);
        CHECK(world.sql(fmt::format("SELECT 1 FROM inbox WHERE kind = '{}'", order)).size() == 1);
        CHECK(world.call("POST", std::string("/api/v1/orchestrations/nothing/") + order).status == 404);
    }
    CHECK(code_of(world.call("POST", path + "/retry")) == "orchestration_running");
    CHECK(code_of(world.call("POST", path + "/reset", {{"event", 1}})) == "orchestration_running");
    CHECK(fields_of(world.call("POST", path + "/reset", Json::object())) == std::vector<std::string>{"event"});
    world.sql("UPDATE orchestrations SET status = 'failed', finished_at = now(), next_event = 3");
    CHECK(code_of(world.call("POST", path + "/retry")) == "history_pruned");
    world.sql(
        "INSERT INTO history SELECT key, 1, 1, '[{\"kind\": \"started\"}, {\"kind\": "
        "\"failed\", \"data\": {}}]' FROM orchestrations");
    CHECK(code_of(world.call("POST", path + "/retry")) == "nothing_failed");
    CHECK(code_of(world.call("POST", path + "/reset", {{"event", 3}})) == "no_such_event");
    CHECK(world.call("POST", path + "/reset", {{"event", 1}}).status == 202);
    CHECK(world.sql("SELECT 1 FROM orchestrations WHERE execution = 2 AND finished_at IS NULL").size() == 1);
}

TEST_CASE("orchestrations: a signal may start what it is for") {
    World world;
    const Json body = {{"name", "go"}, {"payload", 1}, {"start", {{"name", "child"}, {"input", {{"a", 1}}}}}};
    for (const bool first : {true, false})
        CHECK(json_of(world.call("POST", "/api/v1/orchestrations/o/signal", body)).at("started") == first);
    CHECK(world.sql("SELECT 1 FROM inbox WHERE kind = 'signal'").size() == 2);
    CHECK(json_of(world.call("GET", "/api/v1/orchestrations/o")).at("input") == Json{{"a", 1}});
    world.sql("UPDATE orchestrations SET status = 'completed', finished_at = now()");
    CHECK(code_of(world.call("POST", "/api/v1/orchestrations/o/signal", body)) == "orchestration_finished");
    auto again = body;
    again["start"]["replace_ended"] = true;
    CHECK(json_of(world.call("POST", "/api/v1/orchestrations/o/signal", again)).at("started") == true);
    again["start"]["name"] = "nobody";
    CHECK(fields_of(world.call("POST", "/api/v1/orchestrations/o/signal", again)) ==
          std::vector<std::string>{"start.name"});
    again["start"]["name"] = "child";
    again["start"]["tags"] = 1;
    CHECK(fields_of(world.call("POST", "/api/v1/orchestrations/o/signal", again)) ==
          std::vector<std::string>{"start.tags"});
}

TEST_CASE("orchestrations: are started under an id, once for a request") {
    World world;
    const auto start = [&](Json body) { return world.call("POST", "/api/v1/orchestrations", std::move(body)); };
    const Json body = {{"id", "o"}, {"type", "child"}, {"input", {1}}, {"tags", {{"a", "b"}}}, {"request_id", "r"}};
    CHECK(start(body).status == 201);
    const auto again = start(body);
    CHECK(again.status == 200);
    CHECK(json_of(again) == Json{{"id", "o"}, {"started", false}});
    CHECK(world.sql("SELECT 1 FROM inbox WHERE kind = 'start'").size() == 1);
    CHECK(json_of(world.call("GET", "/api/v1/orchestrations/o")).at("tags").at("a") == "b");
    auto other = body;
    other["request_id"] = "s";
    CHECK(code_of(start(other)) == "orchestration_exists");
    CHECK(code_of(start({{"id", "o"}, {"type", "child"}})) == "orchestration_exists");
    CHECK(start({{"id", "o"}, {"type", "child"}, {"on_conflict", "use_existing"}}).status == 200);
    world.sql("UPDATE orchestrations SET status = 'completed', finished_at = now()");
    other["on_conflict"] = "replace_terminal";
    CHECK(start(other).status == 201);
    world.sql("UPDATE orchestrations SET status = 'completed', finished_at = now()");
    CHECK(start(other).status == 200);  // the same request does not begin it a third time
    CHECK(world.sql("SELECT 1 FROM orchestrations WHERE execution = 2 AND finished_at IS NOT NULL").size() == 1);
    CHECK(fields_of(start({{"id", ""}, {"type", "child"}})) == std::vector<std::string>{"id"});
    CHECK(fields_of(start({{"id", "p"}, {"type", "nobody"}})) == std::vector<std::string>{"type"});
    CHECK(fields_of(start({{"id", "p"}, {"type", "child"}, {"on_conflict", "win"}})) ==
          std::vector<std::string>{"on_conflict"});
    CHECK(fields_of(start({{"id", "p"}, {"type", "child"}, {"tags", 1}})) == std::vector<std::string>{"tags"});
}

TEST_CASE("orchestrations: are asked and updated, by what is answered into the database") {
    World world;
    value_or_raise(run(world.io, world.client.start({.id = "o", .name = "child", .input = Json::object()})));
    const std::string path = "/api/v1/orchestrations/o";
    // Whoever owns it takes the question as it comes by.
    world.sql(
        "CREATE FUNCTION answer_at_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO answers "
        "(orchestration, request, answer) SELECT NEW.orchestration, substr(NEW.dedup_key, 9), CASE NEW.name WHEN 'bad' "
        "THEN '{\"error\": {\"kind\": \"conflict\", \"code\": \"full\", \"message\": \"no room\"}}' ELSE "
        "jsonb_build_object('output', jsonb_build_array(NEW.kind, NEW.payload)) END; RETURN NEW; END $$");
    world.sql(
        "CREATE TRIGGER answers AFTER INSERT ON inbox FOR EACH ROW WHEN (NEW.kind IN ('query', 'update')) EXECUTE "
        "FUNCTION answer_at_once()");
    const auto asked = world.call("POST", path + "/query", {{"name", "total"}, {"input", 2}});
    CHECK(asked.status == 200);
    CHECK(json_of(asked) == Json{{"id", "o"}, {"output", {"query", 2}}});
    CHECK(json_of(world.call("POST", path + "/update", {{"name", "add"}, {"input", 3}, {"request_id", "r"}})) ==
          Json{{"id", "o"}, {"output", {"update", 3}}});
    CHECK(json_of(world.call("POST", path + "/update", {{"name", "add"}, {"input", 4}, {"request_id", "r"}})) ==
          Json{{"id", "o"}, {"output", {"update", 3}}});
    const auto refused = world.call("POST", path + "/update", {{"name", "bad"}});
    CHECK(refused.status == 409);
    CHECK(code_of(refused) == "full");
    CHECK(fields_of(world.call("POST", path + "/query", {{"name", ""}})) == std::vector<std::string>{"name"});
    CHECK(fields_of(world.call("POST", path + "/update", {{"name", "a"}, {"request_id", ""}})) ==
          std::vector<std::string>{"request_id"});
    CHECK(world.call("POST", "/api/v1/orchestrations/nothing/query", {{"name", "total"}}).status == 404);
}

TEST_CASE("orchestrations: are found and counted by tags and times") {
    World world;
    for (const auto* id : {"a", "b"})
        value_or_raise(
            run(world.io,
                world.client.start(
                    {.id = id, .name = "child", .input = Json::object(), .tags = {{"team", id}, {"tier", "gold"}}})));
    const auto found = [&](const std::string& query) {
        return json_of(world.call("GET", "/api/v1/orchestrations?" + query)).at("orchestrations").size();
    };
    CHECK(found("tags=tier=gold") == 2);
    CHECK(found("tags=tier=gold,team=a") == 1);
    CHECK(found("tags=tier=lead") == 0);
    CHECK(found("created_after=2026-01-01T00:00:00Z") == 2);
    CHECK(found("created_before=2026-01-01T00:00:00Z") == 0);
    CHECK(fields_of(world.call("GET", "/api/v1/orchestrations?created_after=yesterday")) ==
          std::vector<std::string>{"created_after"});
    CHECK(fields_of(world.call("GET", "/api/v1/orchestrations?tags=gold")) == std::vector<std::string>{"tags"});
    CHECK(json_of(world.call("GET", "/api/v1/orchestration-counts?tags=team=a")).at("counts") ==
          Json{{{"name", "child"}, {"status", "pending"}, {"count", 1}}});
}
