// The group "schedules": what is sent, and what is printed.
#include "harness.hpp"

using namespace toygres;
using namespace toygres::test;

namespace {

Json a_schedule() {
    return {{"name", "nightly"},
            {"cron", "30 2 * * *"},
            {"zone", "Europe/Berlin"},
            {"type", "verify_replication"},
            {"input", {{"a", 1}}},
            {"overlap", "skip"},
            {"catch_up", "1m"},
            {"jitter", "5m"},
            {"paused", false},
            {"note", "before anybody is up"},
            {"next_run_at", "2026-11-23T01:30:00.000Z"},
            {"starts_at", "2026-11-23T01:32:05.120Z"},
            {"upcoming", {"2026-11-23T01:30:00.000Z", "2026-11-24T01:30:00.000Z"}},
            {"started", 7},
            {"skipped", 2},
            {"missed", 1},
            {"runs",
             {{{"id", "nightly-2026-11-22T01:30:00Z"},
               {"scheduled_for", "2026-11-22T01:30:00.000Z"},
               {"started_at", "2026-11-22T01:31:00.000Z"},
               {"status", "completed"}}}},
            {"orchestration", "schedule-nightly"},
            {"status", "running"},
            {"created_at", "2026-11-01T00:00:00.000Z"}};
}

struct Cli {
    Json answer;
    FakeServer server{[this](const http::Request&) { return json(answer); }};
    Outcome operator()(std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), "schedules");
        arguments.insert(arguments.end(), {"--api-url", server.url(), "--token", "t"});
        return run_command(arguments);
    }
    http::Request last() const { return server.requests().back(); }
    Json body() const { return Json::parse(last().body); }
};

}  // namespace

TEST_CASE("schedules: create sends what is given and nothing else") {
    Cli cli{a_schedule()};
    CHECK(cli({"create", "nightly", "--cron", "30 2 * * *", "--type", "t"}).code == 0);
    CHECK(cli.last().method == "POST");
    CHECK(cli.last().target == "/api/v1/schedules");
    CHECK(cli.body() == Json{{"name", "nightly"}, {"cron", "30 2 * * *"}, {"type", "t"}});
    CHECK(cli({"create", "n", "--cron", "@daily", "--type", "t", "--zone", "Europe/Berlin", "--input", "[1]",
               "--overlap", "allow", "--catch-up", "2h", "--jitter", "5m", "--note", "why", "--paused"})
              .out.contains("paused"));
    CHECK(cli.body() == Json{{"name", "n"},
                             {"cron", "@daily"},
                             {"type", "t"},
                             {"zone", "Europe/Berlin"},
                             {"input", {1}},
                             {"overlap", "allow"},
                             {"catch_up", "2h"},
                             {"jitter", "5m"},
                             {"note", "why"},
                             {"paused", true}});
}

TEST_CASE("schedules: wrong usage is told before anything is sent") {
    Cli cli{a_schedule()};
    CHECK(cli({"create", "n", "--cron", "@daily"}).err.contains("--type"));
    CHECK(cli({"create", "n", "--type", "t"}).err.contains("--cron"));
    CHECK(cli({"create", "n", "--cron", "@daily", "--type", "t", "--overlap", "x"}).code == 2);
    CHECK(cli({"create", "n", "--cron", "@daily", "--type", "t", "--input", "{"}).code == 2);
    CHECK(cli({"trigger"}).code == 2);
    CHECK(cli({}).code == 2);
    CHECK(cli({"delete", "n"}).err.contains("--yes"));
    CHECK(cli.server.requests().empty());
}

TEST_CASE("schedules: change keeps what is not given") {
    Cli cli{a_schedule()};
    CHECK(cli({"change", "nightly", "--cron", "@weekly", "--jitter", "0s"}).code == 0);
    CHECK(cli.last().method == "PUT");
    CHECK(cli.last().target == "/api/v1/schedules/nightly");
    CHECK(cli.body() == Json{{"cron", "@weekly"},
                             {"zone", "Europe/Berlin"},
                             {"type", "verify_replication"},
                             {"input", {{"a", 1}}},
                             {"overlap", "skip"},
                             {"catch_up", "1m"},
                             {"jitter", "0s"},
                             {"note", "before anybody is up"}});
}

TEST_CASE("schedules: pause, resume, trigger and delete") {
    Cli cli{{{"name", "nightly"}}};
    CHECK(cli({"pause", "nightly", "--note", "why"}).out.contains("pauses"));
    CHECK(cli.last().target == "/api/v1/schedules/nightly/pause");
    CHECK(cli.body() == Json{{"note", "why"}});
    CHECK(cli({"resume", "nightly"}).code == 0);
    CHECK(cli.last().target == "/api/v1/schedules/nightly/resume");
    CHECK(cli.last().body.empty());
    CHECK(cli({"trigger", "nightly"}).code == 0);
    CHECK(cli.last().target == "/api/v1/schedules/nightly/trigger");
    CHECK(cli.last().headers.has("Idempotency-Key"));
    CHECK(cli({"trigger", "nightly", "--note", "why"}).code == 2);
    CHECK(cli({"delete", "nightly", "--yes"}).code == 0);
    CHECK(cli.last().method == "DELETE");
}

TEST_CASE("schedules: show has the next times and the last runs") {
    Cli cli{a_schedule()};
    const auto shown = cli({"show", "nightly"}).out;
    for (const auto* part :
         {"Schedule: nightly", "active", "30 2 * * * (Europe/Berlin)", "2026-11-23 01:30:00, 2026-11-24 01:30:00",
          "5m, so next at 2026-11-23 01:32:05", "7 started, 2 skipped, 1 missed", "before anybody is up",
          "nightly-2026-11-22T01:30:00Z  2026-11-22 01:31:00  completed"}) {
        INFO(part);
        CHECK(shown.contains(part));
    }
    CHECK(Json::parse(cli({"show", "nightly", "-o", "json"}).out) == a_schedule());
    cli.answer["problem"] = "there is no time zone";
    CHECK(cli({"show", "nightly"}).out.contains("in trouble"));
}

TEST_CASE("schedules: list") {
    auto paused = a_schedule();
    paused["paused"] = true;
    paused.erase("next_run_at");
    Cli cli{{{"schedules", {a_schedule(), paused}}}};
    const auto listed = cli({"list"}).out;
    CHECK(listed.contains("2026-11-23 01:30:00"));
    CHECK(listed.contains("paused"));
    CHECK(listed.contains("2 schedules found"));
}
