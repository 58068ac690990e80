// Schedules: that runs come due, once each, and what each policy makes of those that cannot begin in time. Clocks are
// set to times of a day in 2030; what is to come in some hours comes by a takeover by a process whose clock is ahead.
#include "runtime/schedule/schedule.hpp"

#include "kit.hpp"
#include "runtime/schedule/activities.hpp"

using namespace toygres;
using namespace toygres::test;

namespace {

constexpr auto id = "schedule-s";

Timestamp of_day(const std::string& time) { return *parse_rfc3339("2030-06-15T" + time + "Z"); }
std::string run_at(const std::string& time) { return "s-2030-06-15T" + time + "Z"; }

ScheduleSpec every_hour(Overlap overlap = Overlap::skip, milliseconds catch_up = 24h) {
    return {"0 * * * *", "UTC", "job", "what to do", overlap, catch_up, 0ms};
}

void travel(World& world, const std::string& time) {
    world.clock_step = of_day(time) - now();
    crash(world);
}

// The job of each run ends when it is told to.
void at_ten_past_twelve(const std::function<void(World&)>& test) {
    everywhere([&](World& world) {
        world.orchestrations.add<Schedule>();
        register_schedule_activities(world.activities);
        define(world, "job", [](Ctx& ctx, Json in) -> Task<Json> {
            co_await ctx.wait<Json>("end");
            co_return in;
        });
        travel(world, "12:10:00");
        test(world);
    });
}

// One that has been there since then, as if nobody had looked after it meanwhile.
void create(World& world, ScheduleSpec spec, const std::string& since, bool paused = false) {
    world.start({.id = id,
                 .name = std::string(Schedule::name),
                 .input = encode(
                     Schedule::Input{"s", std::move(spec), Schedule::beginning(of_day(since), paused, "as created")}),
                 .on_conflict = OnConflict::replace_terminal,
                 .tags = {{schedule_tag, "s"}}});
}

void order(World& world, ScheduleOrder order) { world.signal(id, schedule_order, encode(order)); }

ScheduleProgress until(World& world, const std::function<bool(const ScheduleProgress&)>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    for (;;) {
        const auto row = get(world, id);
        if (!row.custom_status.is_null())
            if (auto p = decode<ScheduleProgress>(row.custom_status); condition(p)) return p;
        if (std::chrono::steady_clock::now() > deadline)
            throw std::runtime_error("the schedule does not get there: " + encode(row).dump());
        pass(world, 3ms);
    }
}

bool waits(const ScheduleProgress& p, const std::string& next) { return p.next == of_day(next); }

std::vector<std::string> all_runs(World& world) {
    std::vector<std::string> out;
    for (const auto& row :
         value_or_raise(world.await(world.client().list({.name = "job", .tags = {{schedule_tag, "s"}}}))))
        out.push_back(row.id);
    std::ranges::sort(out);
    return out;
}
using Runs = std::vector<std::string>;

}  // namespace

TEST_CASE("schedules: a run starts when it is due, not before, as an orchestration of its own") {
    at_ten_past_twelve([](World& world) {
        travel(world, "12:59:59.500");
        create(world, every_hour(), "12:59:00");
        const auto p = until(world, [](const auto& q) { return q.started == 1; });
        CHECK(waits(p, "14:00:00"));
        REQUIRE(p.runs.size() == 1);
        CHECK(p.runs[0].id == run_at("13:00:00"));
        CHECK(p.runs[0].at == of_day("13:00:00"));
        CHECK(p.runs[0].started_at >= of_day("13:00:00"));
        const auto run = get(world, run_at("13:00:00"));
        CHECK(run.name == "job");
        CHECK(run.input == "what to do");
        CHECK(run.tags == Json{{"schedule", "s"}});
        CHECK(!run.parent);
    });
}

TEST_CASE("schedules: skip leaves out what comes due while a run is under way") {
    at_ten_past_twelve([](World& world) {
        create(world, every_hour(Overlap::skip), "08:30:00");
        const auto p = until(world, [](const auto& q) { return waits(q, "13:00:00"); });
        CHECK(p.started == 1);
        CHECK(p.skipped == 3);
        CHECK(p.missed == 0);
        CHECK(all_runs(world) == Runs{run_at("09:00:00")});
        world.signal(run_at("09:00:00"), "end", 1);
        world.wait(run_at("09:00:00"));
        travel(world, "13:00:01");
        until(world, [](const auto& q) { return q.started == 2; });
        CHECK(all_runs(world) == Runs{run_at("09:00:00"), run_at("13:00:00")});
    });
}

TEST_CASE("schedules: buffer_one keeps the first that comes due for the end of the one under way") {
    at_ten_past_twelve([](World& world) {
        create(world, every_hour(Overlap::buffer_one), "08:30:00");
        const auto p = until(world, [](const auto& q) { return waits(q, "13:00:00"); });
        CHECK(p.started == 1);
        CHECK(p.buffered == of_day("10:00:00"));
        CHECK(p.skipped == 2);
        crash(world);
        CHECK(all_runs(world) == Runs{run_at("09:00:00")});
        world.signal(run_at("09:00:00"), "end", 1);
        CHECK(!until(world, [](const auto& q) { return q.started == 2; }).buffered);
        CHECK(all_runs(world) == Runs{run_at("09:00:00"), run_at("10:00:00")});
    });
}

TEST_CASE("schedules: allow starts each beside the others") {
    at_ten_past_twelve([](World& world) {
        create(world, every_hour(Overlap::allow), "08:30:00");
        const auto p = until(world, [](const auto& q) { return waits(q, "13:00:00"); });
        CHECK(p.started == 4);
        CHECK(p.skipped == 0);
        for (const auto* time : {"09:00:00", "10:00:00", "11:00:00", "12:00:00"})
            CHECK(!is_finished(get(world, run_at(time)).status));
    });
}

TEST_CASE("schedules: cancel_running ends the one under way, and the latest begins when it has ended") {
    at_ten_past_twelve([](World& world) {
        define(world, "slow", [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.attempt(ctx.wait<Json>("never"));
            const auto shield = ctx.shield();
            co_return co_await ctx.wait<Json>("cleaned up");
        });
        auto spec = every_hour(Overlap::cancel_running);
        spec.type = "slow";
        create(world, spec, "08:30:00");
        const auto p = until(world, [](const auto& q) { return waits(q, "13:00:00"); });
        CHECK(p.started == 1);
        CHECK(p.skipped == 2);
        CHECK(p.buffered == of_day("12:00:00"));
        CHECK(p.under_way == Runs{run_at("09:00:00")});
        CHECK(!world.await(world.client().get(run_at("12:00:00"))));
        world.until_recorded(run_at("09:00:00"), EventKind::cancel_requested);
        world.signal(run_at("09:00:00"), "cleaned up", 1);
        until(world, [](const auto& q) { return q.started == 2; });
        CHECK(is_finished(get(world, run_at("09:00:00")).status));
        CHECK(!is_finished(get(world, run_at("12:00:00")).status));
    });
}

TEST_CASE("schedules: what was missed by less than the catch-up is made up, what by more is counted") {
    at_ten_past_twelve([](World& world) {
        create(world, every_hour(Overlap::allow, 75min), "08:30:00");
        const auto p = until(world, [](const auto& q) { return waits(q, "13:00:00"); });
        CHECK(p.missed == 2);
        CHECK(all_runs(world) == Runs{run_at("11:00:00"), run_at("12:00:00")});
    });
}

TEST_CASE("schedules: a run whose time came while nobody was there is made up at once after a takeover") {
    at_ten_past_twelve([](World& world) {
        create(world, every_hour(Overlap::allow, 60s), "12:00:00");
        until(world, [](const auto& p) { return waits(p, "13:00:00"); });
        travel(world, "13:00:05");
        const auto p = until(world, [](const auto& q) { return waits(q, "14:00:00"); });
        CHECK(p.started == 1);
        CHECK(p.missed == 0);
        travel(world, "17:05:00");
        const auto later = until(world, [](const auto& q) { return waits(q, "18:00:00"); });
        CHECK(later.started == 1);
        CHECK(later.missed == 4);
        CHECK(all_runs(world) == Runs{run_at("13:00:00")});
    });
}

TEST_CASE("schedules: years of missed minutes are neither started nor counted one by one") {
    at_ten_past_twelve([](World& world) {
        auto spec = every_hour(Overlap::skip, 60s);
        spec.cron = "* 13 * * *";
        world.start({.id = id,
                     .name = std::string(Schedule::name),
                     .input = encode(Schedule::Input{
                         "s", spec, Schedule::beginning(*parse_rfc3339("2020-01-01T00:00:00Z"), false, "")})});
        CHECK(until(world, [](const auto& q) { return waits(q, "13:00:00"); }).missed == 10'000);
    });
}

TEST_CASE("schedules: jitter delays each run by a part of it, and names it by its time") {
    at_ten_past_twelve([](World& world) {
        auto spec = every_hour(Overlap::allow, 60s);
        spec.jitter = 30min;
        create(world, spec, "12:00:00");
        const auto p = until(world, [](const auto& q) { return waits(q, "13:00:00"); });
        REQUIRE(p.due);
        CHECK(*p.due >= of_day("13:00:00"));
        CHECK(*p.due <= of_day("13:30:00"));
        CHECK(*p.due != of_day("13:00:00"));  // one in 1.8 million
        world.clock_step = *p.due - 5min - now();
        crash(world);
        CHECK(until(world, [](const auto& q) { return waits(q, "13:00:00"); }).due == p.due);
        world.clock_step = *p.due + 1s - now();
        crash(world);
        const auto later = until(world, [](const auto& q) { return q.started == 1; });
        CHECK(later.runs[0].id == run_at("13:00:00"));
        CHECK(later.runs[0].started_at >= *p.due);
        CHECK(later.due != *p.due + 1h);
    });
}

TEST_CASE("schedules: paused, nothing comes due; resumed, what passed meanwhile is not made up") {
    at_ten_past_twelve([](World& world) {
        create(world, every_hour(Overlap::allow), "12:00:00");
        until(world, [](const auto& p) { return waits(p, "13:00:00"); });
        order(world, {ScheduleVerb::pause, "till the moon is full", {}});
        const auto p = until(world, [](const auto& q) { return q.paused; });
        CHECK(p.note == "till the moon is full");
        CHECK(!p.next);
        travel(world, "15:30:00");
        order(world, {ScheduleVerb::resume, std::nullopt, {}});
        const auto later = until(world, [](const auto& q) { return !q.paused && waits(q, "16:00:00"); });
        CHECK(later.note == "");
        CHECK(later.missed == 0);
        CHECK(later.started == 0);
        CHECK(all_runs(world).empty());
    });
}

TEST_CASE("schedules: created paused, until it is resumed") {
    at_ten_past_twelve([](World& world) {
        create(world, every_hour(Overlap::allow), "08:30:00", true);
        CHECK(until(world, [](const auto& q) { return q.paused; }).note == "as created");
        order(world, {ScheduleVerb::resume, std::nullopt, {}});
        until(world, [](const auto& q) { return waits(q, "13:00:00"); });
        CHECK(all_runs(world).empty());
    });
}

TEST_CASE("schedules: a trigger starts a run at once, paused or not, each under a name of its own") {
    at_ten_past_twelve([](World& world) {
        create(world, every_hour(Overlap::allow), "12:00:00", true);
        for (int i = 0; i < 3; ++i) order(world, {ScheduleVerb::trigger, std::nullopt, {}});
        const auto p = until(world, [](const auto& q) { return q.started == 3; });
        CHECK(p.paused);
        CHECK(all_runs(world).size() == 3);
        CHECK(p.last_trigger == p.runs[0].at);
        CHECK(p.runs[0].at > p.runs[1].at);
    });
}

TEST_CASE("schedules: a trigger goes by the overlap as any other run") {
    at_ten_past_twelve([](World& world) {
        create(world, every_hour(Overlap::skip), "12:00:00");
        order(world, {ScheduleVerb::trigger, std::nullopt, {}});
        order(world, {ScheduleVerb::trigger, std::nullopt, {}});
        CHECK(until(world, [](const auto& q) { return q.skipped == 1; }).started == 1);
        CHECK(waits(until(world, [](const auto&) { return true; }), "13:00:00"));
    });
}

TEST_CASE("schedules: a change holds from then on, and is shown as the input") {
    at_ten_past_twelve([](World& world) {
        create(world, every_hour(), "12:00:00");
        until(world, [](const auto& p) { return waits(p, "13:00:00"); });
        auto other = every_hour(Overlap::allow, 24h);
        other.cron = "30 6,18 * * *";
        other.zone = "Europe/Berlin";
        other.input = "something else";
        order(world, {ScheduleVerb::change, "half past six", other});
        const auto p = until(world, [](const auto& q) { return waits(q, "16:30:00"); });
        CHECK(p.note == "half past six");
        const auto row = get(world, id);
        CHECK(row.execution == 2);
        CHECK(decode<Schedule::Input>(row.input).spec.zone == "Europe/Berlin");
        travel(world, "16:30:01");
        until(world, [](const auto& q) { return q.started == 1; });
        CHECK(get(world, run_at("16:30:00")).input == "something else");
    });
}

TEST_CASE("schedules: removed, a schedule ends; its run goes on, and the name is free again") {
    at_ten_past_twelve([](World& world) {
        create(world, every_hour(), "11:30:00");
        until(world, [](const auto& p) { return p.started == 1; });
        order(world, {ScheduleVerb::remove, std::nullopt, {}});
        CHECK(world.wait(id).status == Status::completed);
        CHECK(!is_finished(get(world, run_at("12:00:00")).status));
        create(world, every_hour(), "12:05:00");
        until(world, [](const auto& p) { return waits(p, "13:00:00") && p.started == 0; });
        world.signal(run_at("12:00:00"), "end", 1);
        CHECK(world.wait(run_at("12:00:00")).output == "what to do");
    });
}

TEST_CASE("schedules: cancelled as any orchestration, its run goes on") {
    at_ten_past_twelve([](World& world) {
        create(world, every_hour(Overlap::buffer_one), "10:30:00");
        until(world, [](const auto& p) { return p.buffered.has_value(); });
        world.cancel(id);
        CHECK(world.wait(id).status == Status::cancelled);
        CHECK(!is_finished(get(world, run_at("11:00:00")).status));
        CHECK(all_runs(world) == Runs{run_at("11:00:00")});
    });
}

TEST_CASE("schedules: each run starts once, whatever the moment of a takeover") {
    for (int event = 1; event <= 6; ++event)
        on_memory([&](World& world) {
            world.orchestrations.add<Schedule>();
            register_schedule_activities(world.activities);
            define(world, "job", [](Ctx&, Json in) -> Task<Json> { co_return in; });
            travel(world, "12:10:00");
            create(world, every_hour(Overlap::allow), "09:30:00");
            world.until_recorded(id, EventKind::activity_scheduled, event);
            crash(world);
            const auto p = until(world, [](const auto& q) { return waits(q, "13:00:00"); });
            CHECK(p.started == 3);
            CHECK(all_runs(world) == Runs{run_at("10:00:00"), run_at("11:00:00"), run_at("12:00:00")});
            for (const auto& run : all_runs(world)) CHECK(get(world, run).execution == 1);
        });
}

TEST_CASE("schedules: survives that it continues as new, and signals that it does not understand") {
    at_ten_past_twelve([](World& world) {
        create(world, every_hour(Overlap::buffer_one), "10:30:00");
        const auto before = until(world, [](const auto& p) { return waits(p, "13:00:00"); });
        while (get(world, id).execution < 3) world.signal(id, schedule_order, {{"verb", "dance"}});
        const auto p = until(world, [](const auto& q) { return waits(q, "13:00:00"); });
        CHECK(encode(p) == encode(before));
        CHECK(get(world, id).tags == Json{{"schedule", "s"}});
        world.signal(run_at("11:00:00"), "end", 1);
        until(world, [](const auto& q) { return q.started == 2; });
        CHECK(all_runs(world) == Runs{run_at("11:00:00"), run_at("12:00:00")});
    });
}

TEST_CASE("schedules: one that cannot tell what is next says so, and goes on when it can") {
    at_ten_past_twelve([](World& world) {
        auto lost = every_hour(Overlap::allow);
        lost.zone = "Atlantis/Capital";
        create(world, lost, "11:30:00");
        const auto p = until(world, [](const auto& q) { return q.problem.has_value(); });
        CHECK(p.problem->starts_with("there is no time zone \"Atlantis/Capital\""));
        order(world, {ScheduleVerb::change, std::nullopt, every_hour()});
        const auto found = until(world, [](const auto& q) { return waits(q, "13:00:00"); });
        CHECK(!found.problem);
        CHECK(found.note == "as created");
    });
}
