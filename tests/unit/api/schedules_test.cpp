// Schedules over REST: what may be asked for, what is shown. No host runs: what a schedule makes of it is in
// tests/conformance/schedule_test.cpp.
#include "runtime/schedule/schedule.hpp"
#include "world.hpp"

using namespace toygres;
using namespace toygres::test;
using Names = std::vector<std::string>;

namespace {

const Json nightly = {{"name", "nightly"},
                      {"cron", "30 2 * * *"},
                      {"zone", "Europe/Berlin"},
                      {"type", "verify_replication"},
                      {"input", {{"a", 1}}}};

Json with(Json body, const Json& more) {
    body.update(more);
    return body;
}

// The orders that its inbox has, oldest first.
std::vector<runtime::ScheduleOrder> orders(World& world) {
    std::vector<runtime::ScheduleOrder> out;
    for (const auto& row : world.sql("SELECT payload::text FROM inbox WHERE kind = 'signal' ORDER BY id"))
        out.push_back(decode<runtime::ScheduleOrder>(value_or_raise(parse_json(row.get<std::string>(0)))));
    return out;
}

}  // namespace

TEST_CASE("schedules: created with what is not given filled in") {
    World world;
    const auto response = world.call("POST", "/api/v1/schedules", nightly);
    CHECK(response.status == 201);
    CHECK(response.headers.get("Location") == "/api/v1/schedules/nightly");
    const auto made = json_of(response);
    CHECK(made.at("zone") == "Europe/Berlin");
    CHECK(made.at("overlap") == "skip");
    CHECK(made.at("catch_up") == "1m");
    CHECK(made.at("jitter") == "0s");
    CHECK(made.at("paused") == false);
    CHECK(made.at("input") == Json{{"a", 1}});
    CHECK(made.at("orchestration") == "schedule-nightly");
    const auto row = json_of(world.call("GET", "/api/v1/orchestrations/schedule-nightly"));
    CHECK(row.at("name") == "schedule");
    CHECK(row.at("tags") == Json{{"schedule", "nightly"}});
    CHECK(decode<runtime::Schedule::Input>(row.at("input")).spec.overlap == runtime::Overlap::skip);
    auto shown = json_of(world.call("GET", "/api/v1/schedules/nightly"));
    CHECK(shown.at("upcoming") == Json::array());  // it has not begun
    shown.erase("upcoming");
    CHECK(shown == made);
}

TEST_CASE("schedules: all that is wrong is told at once") {
    World world;
    const auto refused = world.call("POST", "/api/v1/schedules",
                                    {{"name", "Nightly"},
                                     {"cron", "61 * * * *"},
                                     {"zone", "Europe/Berln"},
                                     {"type", "schedule"},
                                     {"overlap", "sometimes"},
                                     {"catch_up", "1s"},
                                     {"jitter", "2d"},
                                     {"note", std::string(501, 'x')}});
    CHECK(refused.status == 400);
    CHECK(fields_of(refused) == Names{"name", "zone", "cron", "type", "overlap", "note", "catch_up", "jitter"});
    const auto message = [&](const Json& more) {
        return json_of(world.call("POST", "/api/v1/schedules", with(nightly, more)))
            .at("errors")
            .at(0)
            .at("message")
            .get<std::string>();
    };
    CHECK(message({{"cron", "0 0 30 2 *"}}).contains("it never comes due"));
    CHECK(message({{"cron", "0 25 * * *"}}).contains("the hour \"25\" is not understood"));
    CHECK(message({{"type", "frobnicate"}}).contains("no orchestrations of type \"frobnicate\""));
    CHECK(message({{"catch_up", "1s"}}) == "must be a duration from 10s to 365d, such as 60s or 2h");
    CHECK(world.call("POST", "/api/v1/schedules", with(nightly, {{"crom", "x"}})).status == 400);
    CHECK(world.sql("SELECT 1 FROM orchestrations").empty());
}

TEST_CASE("schedules: a name is taken until the schedule has ended") {
    World world;
    CHECK(world.call("POST", "/api/v1/schedules", nightly).status == 201);
    CHECK(code_of(world.call("POST", "/api/v1/schedules", nightly)) == "schedule_exists");
    world.sql("UPDATE orchestrations SET status = 'completed', finished_at = now()");
    CHECK(code_of(world.call("GET", "/api/v1/schedules/nightly")) == "schedule_not_found");
    CHECK(code_of(world.call("POST", "/api/v1/schedules/nightly/pause")) == "schedule_not_found");
    CHECK(json_of(world.call("GET", "/api/v1/schedules")).at("schedules").empty());
    CHECK(world.call("POST", "/api/v1/schedules", with(nightly, {{"cron", "@daily"}})).status == 201);
    CHECK(json_of(world.call("GET", "/api/v1/schedules/nightly")).at("cron") == "@daily");
}

TEST_CASE("schedules: are told by signals, once for each key") {
    World world;
    world.call("POST", "/api/v1/schedules", nightly);
    const std::string path = "/api/v1/schedules/nightly";
    CHECK(world.call("POST", path + "/pause", {{"note", "why"}}).status == 202);
    CHECK(world.call("POST", path + "/resume").status == 202);
    for (int i = 0; i < 2; ++i)
        CHECK(world.call("POST", path + "/trigger", {}, {{"Idempotency-Key", "k"}}).status == 202);
    auto other = nightly;
    other.erase("name");
    CHECK(world.call("PUT", path, with(other, {{"overlap", "allow"}, {"jitter", "90s"}})).status == 202);
    CHECK(world.call("DELETE", path).status == 202);
    const auto told = orders(world);
    REQUIRE(told.size() == 5);
    CHECK(told[0].verb == runtime::ScheduleVerb::pause);
    CHECK(told[0].note == "why");
    CHECK(told[1].verb == runtime::ScheduleVerb::resume);
    CHECK(told[2].verb == runtime::ScheduleVerb::trigger);
    CHECK(told[3].spec->overlap == runtime::Overlap::allow);
    CHECK(told[3].spec->jitter == 90s);
    CHECK(told[4].verb == runtime::ScheduleVerb::remove);
    CHECK(fields_of(world.call("PUT", path, with(other, {{"cron", "x"}}))) == Names{"cron"});
    CHECK(world.call("PUT", path, nightly).status == 400);  // a name cannot be changed
    CHECK(fields_of(world.call("POST", path + "/pause", {{"note", std::string(501, 'x')}})) == Names{"note"});
    CHECK(code_of(world.call("POST", "/api/v1/schedules/none/trigger")) == "schedule_not_found");
    const http::Headers reader{{"Authorization", "Bearer " + world.reader}};
    CHECK(world.call("POST", path + "/trigger", {}, reader).status == 403);
    CHECK(world.call("GET", path, {}, reader).status == 200);
}

TEST_CASE("schedules: show how far they have come, their next times and how their runs stand") {
    World world;
    world.call("POST", "/api/v1/schedules", nightly);
    value_or_raise(run(world.io, world.client.start({.id = "r", .name = "verify_replication", .input = {}})));
    runtime::ScheduleProgress p = runtime::Schedule::beginning(now(), false, "a note");
    p.next = p.due = *parse_rfc3339("2030-06-15T00:30:00Z");
    p.started = 2;
    p.missed = 3;
    p.runs = {{"gone", now(), now(), {}}, {"r", now(), now(), {}}, {"never", now(), now(), "no room"}};
    world.sql("UPDATE orchestrations SET custom_status = '" + encode(p).dump() + "' WHERE name = 'schedule'");
    const auto shown = json_of(world.call("GET", "/api/v1/schedules/nightly"));
    CHECK(shown.at("note") == "a note");
    CHECK(shown.at("missed") == 3);
    CHECK(shown.at("upcoming").size() == 5);
    CHECK(shown.at("upcoming")[0] == "2030-06-15T00:30:00.000Z");
    CHECK(shown.at("upcoming")[4] == "2030-06-19T00:30:00.000Z");
    CHECK(!shown.at("runs")[0].contains("status"));
    CHECK(shown.at("runs")[1].at("status") == "pending");
    CHECK(shown.at("runs")[2].at("error") == "no room");
}

TEST_CASE("schedules: are listed page by page, past those that have ended") {
    World world;
    for (const auto* name : {"a", "b", "c", "d", "e"})
        world.call("POST", "/api/v1/schedules", with(nightly, {{"name", name}}));
    world.sql(
        "UPDATE orchestrations SET status = 'completed', finished_at = now() WHERE id IN ('schedule-d', "
        "'schedule-b')");
    Names names;
    std::string token;
    do {
        const auto page =
            json_of(world.call("GET", "/api/v1/schedules?limit=1" + (token.empty() ? "" : "&page_token=" + token)));
        for (const auto& s : page.at("schedules")) names.push_back(s.at("name").get<std::string>());
        token = page.value("next_page_token", "");
    } while (!token.empty());
    CHECK(names == Names{"e", "c", "a"});
}
