// Timers: when they fire, and that they do over restarts.
#include "kit.hpp"

using namespace toygres;
using namespace toygres::test;

namespace {

Task<Json> sleeps_for(Ctx& ctx, Json ms) {
    const auto before = ctx.now();
    co_await ctx.sleep(milliseconds(ms.get<std::int64_t>()));
    co_return (ctx.now() - before).count();
}

}  // namespace

TEST_CASE("timers: not before its time [single_timer_fires]") {
    everywhere([](World& world) {
        define(world, "o", sleeps_for);
        world.start_process();
        CHECK(run(world, "a", "o", 20).output >= 20);
    });
}

TEST_CASE("timers: of no duration [zero_duration_timer]") {
    everywhere([](World& world) {
        define(world, "o", sleeps_for);
        world.start_process();
        CHECK(run(world, "a", "o", 0).status == Status::completed);
        CHECK(world.kinds("a") == "started timer_created timer_fired completed");
    });
}

TEST_CASE("timers: in the past") {
    everywhere([](World& world) {
        define(world, "o", sleeps_for);
        world.start_process();
        CHECK(run(world, "a", "o", -86'400'000).status == Status::completed);
    });
}

TEST_CASE("timers: at the beginning of time") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.sleep_until(Timestamp(milliseconds(1)));
            co_return Json();
        });
        world.start_process();
        CHECK(run(world, "a", "o").status == Status::completed);
    });
}

TEST_CASE("timers: a thousand years ahead waits, and holds up no other") {
    everywhere([](World& world) {
        define(world, "far", [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.any(ctx.sleep(std::chrono::hours(24 * 365'000)), ctx.wait<Json>("go"));
            co_return Json();
        });
        define(world, "o", sleeps_for);
        world.start_process();
        begin(world, "f", "far");
        world.until_recorded("f", EventKind::timer_created);
        CHECK(run(world, "a", "o", 5).status == Status::completed);
        CHECK(recorded(world, "f", EventKind::timer_fired) == 0);
        restart(world);
        CHECK(run(world, "b", "o", 5).status == Status::completed);
        CHECK(recorded(world, "f", EventKind::timer_fired) == 0);
        world.signal("f", "go", 1);
        CHECK(world.wait("f").status == Status::completed);
    });
}

TEST_CASE("timers: several fire in the order of their times [multiple_timers_fire_in_order]") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            std::vector<Future<Nothing>> timers;
            for (const int ms : {25, 5, 15}) timers.push_back(ctx.sleep(milliseconds(ms)));
            co_await ctx.all(std::move(timers));
            co_return Json();
        });
        world.start_process();
        run(world, "a", "o");
        std::vector<std::int64_t> order;
        for (const auto& event : world.history("a"))
            if (event.kind == "timer_fired") order.push_back(*event.of);
        CHECK(order == std::vector<std::int64_t>{3, 4, 2});
    });
}

TEST_CASE("timers: a burst of 500 in one orchestration") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            std::vector<Future<Nothing>> timers;
            for (int i = 0; i < 500; ++i) timers.push_back(ctx.sleep(5ms));
            co_return (co_await ctx.all(std::move(timers))).size();
        });
        world.start_process();
        CHECK(run(world, "a", "o").output == 500);
        CHECK(recorded(world, "a", EventKind::timer_fired) == 500);
    });
}

TEST_CASE("timers: a burst of 200 orchestrations at the same time") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json at) -> Task<Json> {
            co_await ctx.sleep_until(Timestamp(milliseconds(at.get<std::int64_t>())));
            co_return Json();
        });
        world.start_process();
        const auto at = (now() + 100ms).time_since_epoch().count();
        for (int i = 0; i < 200; ++i) begin(world, "t" + std::to_string(i), "o", at);
        for (int i = 0; i < 200; ++i) CHECK(world.wait("t" + std::to_string(i)).status == Status::completed);
    });
}

TEST_CASE("timers: one that was armed is armed again after a crash [timer_recovery_after_crash_before_fire]") {
    everywhere([](World& world) {
        define(world, "o", sleeps_for);
        world.start_process();
        begin(world, "a", "o", 150);
        world.until_recorded("a", EventKind::timer_created);
        crash(world);
        CHECK(world.wait("a").output >= 150);
        CHECK(recorded(world, "a", EventKind::timer_fired) == 1);
    });
}

TEST_CASE("timers: one that fired does not fire again after a crash [timer_recovery_after_crash_after_fire]") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.sleep(1ms);
            co_return co_await ctx.wait<Json>("go");
        });
        world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        crash(world);
        world.signal("a", "go", 1);
        world.wait("a");
        CHECK(recorded(world, "a", EventKind::timer_fired) == 1);
    });
}

TEST_CASE("timers: many that came due while nobody was there fire at once [multiple_timers_recovery_after_crash]") {
    everywhere([](World& world) {
        define(world, "o", sleeps_for);
        auto& process = world.start_process();
        for (int i = 0; i < 10; ++i) begin(world, "t" + std::to_string(i), "o", 60);
        for (int i = 0; i < 10; ++i) world.until_recorded("t" + std::to_string(i), EventKind::timer_created);
        world.kill(process);
        const auto due = std::chrono::steady_clock::now() + 60ms;
        while (std::chrono::steady_clock::now() < due) continue;
        world.start_process();
        for (int i = 0; i < 10; ++i) CHECK(world.wait("t" + std::to_string(i)).status == Status::completed);
    });
}

TEST_CASE(
    "timers: one after the other count from when the one before fired [timer_fires_at_correct_time_after_previous]") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            const auto before = ctx.now();
            for (int i = 0; i < 4; ++i) co_await ctx.sleep(5ms);
            co_return (ctx.now() - before).count();
        });
        world.start_process();
        CHECK(run(world, "a", "o").output >= 20);
    });
}

TEST_CASE("timers: now() is the same on both sides of a crash") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            const auto then = ctx.now().time_since_epoch().count();
            co_await ctx.call<Echo>(then);
            co_await ctx.wait<Json>("go");
            co_return then;
        });
        world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        crash(world);
        world.signal("a", "go", 1);
        const auto row = world.wait("a");
        CHECK(row.output == world.history("a")[1].data);
    });
}
