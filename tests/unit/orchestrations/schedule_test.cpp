// A schedule by a script of answers, replayed after each. What it does for real: tests/conformance/schedule_test.cpp.
#include "runtime/schedule/schedule.hpp"

#include "runtime/schedule/activities.hpp"
#include "support/orchestration_driver.hpp"

using namespace toygres;
using namespace toygres::runtime;
using namespace std::chrono_literals;

namespace {

const Timestamp begin{std::chrono::seconds(1'700'000'000)};  // when the driver's clock begins

Schedule::Input in_atlantis(milliseconds jitter = 0ms) {
    return {"s",
            {"0 12 * * *", "Atlantis/Capital", "job", 1, Overlap::skip, 60s, jitter},
            Schedule::beginning(begin, false, "")};
}

ScheduleProgress shown(const test::OrchestrationDriver& driver) {
    for (auto it = driver.history.rbegin(); it != driver.history.rend(); ++it)
        if (it->kind == EventKind::status_set) return decode<ScheduleProgress>(it->payload);
    FAIL("no status was set");
    std::abort();
}

}  // namespace

TEST_CASE("schedule: replays without the time zones of the machine") {
    test::OrchestrationDriver driver;
    driver.completes<PlanRuns>({.missed = 0, .settled = begin, .next = begin + 1h});
    driver.fires_timer();
    driver.completes<StartRun>({});
    driver.completes<PlanRuns>({.missed = 0, .settled = begin + 1h, .next = begin + 25h});
    driver.run<Schedule>(in_atlantis());
    CHECK(!driver.ended());
    CHECK(driver.recorded<StartRun>().id == run_id("s", begin + 1h));
    CHECK(driver.recorded<PlanRuns>().zone == "Atlantis/Capital");
    CHECK(driver.recorded<PlanRuns>().after == begin + 1h);
    CHECK(shown(driver).next == begin + 25h);
}

TEST_CASE("schedule: jitter is part of the record, and no reason to miss a run") {
    test::OrchestrationDriver driver;
    driver.completes<PlanRuns>({.missed = 0, .settled = begin, .next = begin + 1h});
    driver.fires_timer();
    driver.completes<StartRun>({});
    driver.run<Schedule>(in_atlantis(30min));
    CHECK(driver.calls<PlanRuns>() == 2);  // the one that was late by its jitter did not need another look
    CHECK(driver.recorded<StartRun>().id == run_id("s", begin + 1h));
    CHECK(driver.recorded<PlanRuns>().missed_before < begin + 1h);
}

TEST_CASE("schedule: a run that cannot be started is shown, and the next one comes") {
    test::OrchestrationDriver driver;
    driver.completes<PlanRuns>({.missed = 0, .settled = begin, .next = begin + 1h});
    driver.fires_timer();
    driver.fails<StartRun>({ErrorKind::invalid, "payload_too_large", "the input is too large"});
    driver.completes<PlanRuns>({.missed = 0, .settled = begin + 1h, .next = begin + 25h});
    driver.fires_timer();
    driver.completes<StartRun>({});  // nothing is under way that would have to be looked at
    driver.completes<PlanRuns>({.missed = 0, .settled = begin + 25h, .next = begin + 49h});
    driver.run<Schedule>(in_atlantis());
    const auto p = shown(driver);
    CHECK(p.started == 1);
    REQUIRE(p.runs.size() == 2);
    CHECK(p.runs[1].error == "the input is too large");
}

TEST_CASE("schedule: a line that comes no more leaves it waiting for orders") {
    test::OrchestrationDriver driver;
    driver.completes<PlanRuns>({.missed = 0, .settled = begin, .next = std::nullopt});
    driver.run<Schedule>(in_atlantis());
    CHECK(!driver.ended());
    CHECK(!shown(driver).next);
    CHECK(driver.calls<PlanRuns>() == 1);
}

TEST_CASE("schedule: is cancelled while it waits, and while it works") {
    for (const bool waiting : {true, false}) {
        test::OrchestrationDriver driver;
        if (waiting) driver.completes<PlanRuns>({.missed = 0, .settled = begin, .next = begin + 1h});
        driver.cancels("enough");
        driver.run<Schedule>(in_atlantis());
        CHECK(driver.error().kind == ErrorKind::cancelled);
    }
}
