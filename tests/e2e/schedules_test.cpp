// A schedule as its user sees it.
#include "stack.hpp"

using namespace toygres;
using namespace toygres::test;

TEST_CASE("schedules: a run that is due starts once, also when the server is killed before it") {
    auto& stack = shared_stack();
    stack.up();
    const auto made = stack.cli(
        "schedules create often --cron '* * * * *' --zone Europe/Berlin --overlap allow "
        "--catch-up 10m --type post_alert --input '{\"alert\": {\"id\": \"often\"}}'");
    INFO(made.output);
    REQUIRE(made.code == 0);
    REQUIRE(eventually([&] { return stack.cli("schedules show often").output.contains("Next (UTC)"); }));
    stack.signal_server(SIGKILL);
    stack.wait_for_death();
    stack.up();
    const auto runs = [&] {
        return std::stoi(
            stack.value("SELECT count(*) FROM orchestrations WHERE tags->>'schedule' = 'often' AND name = "
                        "'post_alert'"));
    };
    REQUIRE(eventually([&] { return runs() > 0; }));
    CHECK(stack.cli("schedules create often --cron @daily --type post_alert").output.contains("exists already"));
    CHECK(stack.cli("schedules create bad --cron '0 25 * * *' --type post_alert").output.contains("the hour \"25\""));
    CHECK(stack.cli("schedules pause often --note enough").code == 0);
    CHECK(eventually([&] { return stack.cli("schedules list").output.contains("paused"); }));
    const auto shown = Json::parse(stack.call("GET", "/api/v1/schedules/often").body);
    CHECK(shown.at("missed") == 0);
    CHECK(shown.at("started") == runs());
    CHECK(shown.at("runs")[0].at("id").get<std::string>().starts_with("often-20"));
    CHECK(stack.cli("schedules delete often --yes").code == 0);
    CHECK(eventually([&] { return stack.cli("schedules show often").code == 3; }));
    // Nobody is to be told of anything for the rest of the day.
    for (const auto& row : stack.sql("SELECT id FROM orchestrations WHERE name = 'post_alert' AND finished_at IS NULL"))
        stack.cli("orchestrations terminate --yes " + row[0].as<std::string>());
    CHECK(stack.broken_invariants() == "");
}
