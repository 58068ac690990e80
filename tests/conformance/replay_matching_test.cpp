// Code that does not do what its history says: it is parked with the first difference in words, and goes on when the
// right code is back.
#include "kit.hpp"

using namespace toygres;
using namespace toygres::test;

namespace {

// `recorded` runs until it waits for "go"; `released` takes its place and is parked with `words`; then `recorded` is
// back and ends.
void differs(Code recorded, Code released, const std::string& words) {
    everywhere([&](World& world) {
        deploy(world, "o", recorded);
        define(world, "kid", [](Ctx&, Json in) -> Task<Json> { co_return in; });
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        const auto history = world.kinds("a");
        deploy(world, "o", released);
        CHECK(parked(world, "a") == "nondeterminism: " + words);
        CHECK(world.kinds("a") == history);
        deploy(world, "o", recorded);
        world.signal("a", "go", "on");
        const auto row = world.wait("a");
        CHECK(row.status == Status::completed);
        CHECK(row.output == "on");
    });
}

// The same, but `released` is as good as `recorded`.
void agrees(Code recorded, Code released) {
    everywhere([&](World& world) {
        deploy(world, "o", recorded);
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        deploy(world, "o", released);
        world.signal("a", "go", "on");
        CHECK(world.wait("a").output == "on");
    });
}

Task<Json> calls_once(Ctx& ctx, Json) {
    co_await ctx.call<Echo>(1);
    co_return co_await ctx.wait<Json>("go");
}
Task<Json> calls_twice(Ctx& ctx, Json) {
    co_await ctx.call<Echo>(1);
    co_await ctx.call<Echo>(2);
    co_return co_await ctx.wait<Json>("go");
}
Task<Json> calls_both(Ctx& ctx, Json) {
    auto one = ctx.call<Echo>(1);
    auto two = ctx.call<Echo>(2);
    co_await std::move(one);
    co_await std::move(two);
    co_return co_await ctx.wait<Json>("go");
}
Task<Json> sleeps(Ctx& ctx, Json) {
    co_await ctx.sleep(1ms);
    co_return co_await ctx.wait<Json>("go");
}
Task<Json> steps(Ctx& ctx, Json) {
    co_await ctx.transact<Add>(1);
    co_return co_await ctx.wait<Json>("go");
}
Task<Json> has_child(Ctx& ctx, Json) {
    co_await ctx.child<Named<"kid">>(1, {.id = "k"});
    co_return co_await ctx.wait<Json>("go");
}
Task<Json> detaches(Ctx& ctx, Json) {
    co_await ctx.detach<Named<"kid">>("d", 1);
    co_return co_await ctx.wait<Json>("go");
}
Task<Json> says(Ctx& ctx, Json) {
    ctx.set_status("one");
    co_return co_await ctx.wait<Json>("go");
}
Task<Json> waits(Ctx& ctx, Json) { co_return co_await ctx.wait<Json>("go"); }
Task<Json> drops_call(Ctx& ctx, Json) {
    {
        auto dropped = ctx.call<Hang>(1);
    }
    co_return co_await ctx.wait<Json>("go");
}
Task<Json> keeps_call(Ctx& ctx, Json) {
    auto kept = ctx.call<Hang>(1);
    co_return co_await ctx.wait<Json>("go");
}

}  // namespace

TEST_CASE("replay matching: a timer where an activity was [schedule_mismatch_activity_vs_timer]") {
    differs(calls_once, sleeps, "event 2: recorded is activity_scheduled echo, the code does timer_created");
}

TEST_CASE("replay matching: an activity where a timer was [schedule_mismatch_timer_vs_activity]") {
    differs(sleeps, calls_once, "event 2: recorded is timer_created, the code does activity_scheduled echo");
}

TEST_CASE("replay matching: another activity [schedule_mismatch_wrong_activity_name]") {
    differs(
        calls_once,
        [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.call<Flaky>(1);
            co_return co_await ctx.wait<Json>("go");
        },
        "event 2: recorded is activity_scheduled echo, the code does activity_scheduled flaky");
}

TEST_CASE("replay matching: another input [schedule_mismatch_wrong_input]") {
    differs(
        calls_once,
        [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.call<Echo>(7);
            co_return co_await ctx.wait<Json>("go");
        },
        "event 2: activity_scheduled echo: recorded with 1, the code gives 7");
}

TEST_CASE("replay matching: another signal [schedule_mismatch_wrong_external_name]") {
    differs(
        waits, [](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.wait<Json>("come"); },
        "event 2: recorded is wait_started go, the code does wait_started come");
}

TEST_CASE("replay matching: code that ends early [history_schedule_no_emitted_action]") {
    differs(
        calls_once,
        [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.call<Echo>(1);
            co_return Json("early");
        },
        "event 4: recorded is wait_started go, the code does completed");
}

TEST_CASE("replay matching: code that ends before it did anything") {
    differs(
        calls_once, [](Ctx&, Json) -> Task<Json> { co_return Json("early"); },
        "event 2: recorded is activity_scheduled echo, the code does completed");
}

TEST_CASE("replay matching: code that fails where it went on") {
    differs(
        calls_once,
        [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.call<Echo>(1);
            raise(ErrorKind::invalid, "no", "no");
        },
        "event 4: recorded is wait_started go, the code does failed");
}

TEST_CASE("replay matching: code that continues as new where it waited") {
    differs(
        calls_once,
        [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.call<Echo>(1);
            ctx.continue_as_new(Json(2));
        },
        "event 4: recorded is wait_started go, the code does continued_as_new");
}

TEST_CASE("replay matching: a call was taken out [code_swap_triggers_nondeterminism]") {
    differs(calls_twice, calls_once, "event 4: recorded is activity_scheduled echo, the code does wait_started go");
}

TEST_CASE("replay matching: a call was put in") {
    differs(calls_once, calls_twice, "event 4: recorded is wait_started go, the code does activity_scheduled echo");
}

TEST_CASE("replay matching: calls one after the other that were made at once") {
    differs(calls_both, calls_twice, "event 3: recorded is activity_scheduled echo, the code does nothing there");
}

TEST_CASE("replay matching: calls at once that were made one after the other") {
    differs(calls_twice, calls_both, "event 3: the code does activity_scheduled echo, the history has nothing there");
}

TEST_CASE("replay matching: two calls that changed places") {
    differs(
        calls_both,
        [](Ctx& ctx, Json) -> Task<Json> {
            auto two = ctx.call<Echo>(2);
            auto one = ctx.call<Echo>(1);
            co_await std::move(one);
            co_await std::move(two);
            co_return co_await ctx.wait<Json>("go");
        },
        "event 2: activity_scheduled echo: recorded with 1, the code gives 2");
}

TEST_CASE("replay matching: a step where an activity was") {
    differs(calls_once, steps, "event 2: recorded is activity_scheduled echo, the code does step_scheduled add");
}

TEST_CASE("replay matching: an activity where a step was") {
    differs(steps, calls_once, "event 2: recorded is step_scheduled add, the code does activity_scheduled echo");
}

TEST_CASE("replay matching: another input of a step") {
    differs(
        steps,
        [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.transact<Add>(1000);
            co_return co_await ctx.wait<Json>("go");
        },
        "event 2: step_scheduled add: recorded with 1, the code gives 1000");
}

TEST_CASE("replay matching: a child where an activity was") {
    differs(calls_once, has_child, "event 2: recorded is activity_scheduled echo, the code does child_scheduled kid k");
}

TEST_CASE("replay matching: another child") {
    differs(
        has_child,
        [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.child<Named<"other">>(1, {.id = "k"});
            co_return co_await ctx.wait<Json>("go");
        },
        "event 2: recorded is child_scheduled kid k, the code does child_scheduled other k");
}

TEST_CASE("replay matching: another id of a child") {
    differs(
        has_child,
        [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.child<Named<"kid">>(1, {.id = "k2"});
            co_return co_await ctx.wait<Json>("go");
        },
        "event 2: recorded is child_scheduled kid k, the code does child_scheduled kid k2");
}

TEST_CASE("replay matching: another input of a child") {
    differs(
        has_child,
        [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.child<Named<"kid">>(Json{{"size", 2}}, {.id = "k"});
            co_return co_await ctx.wait<Json>("go");
        },
        "event 2: child_scheduled kid k: recorded with 1, the code gives {\"size\":2}");
}

TEST_CASE("replay matching: something else detached [orchestration_chained_name_mismatch]") {
    differs(
        detaches,
        [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.detach<Named<"other">>("d", 1);
            co_return co_await ctx.wait<Json>("go");
        },
        "event 2: recorded is detach_scheduled kid d, the code does detach_scheduled other d");
}

TEST_CASE("replay matching: detached under another id") {
    differs(
        detaches,
        [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.detach<Named<"kid">>("e", 1);
            co_return co_await ctx.wait<Json>("go");
        },
        "event 2: recorded is detach_scheduled kid d, the code does detach_scheduled kid e");
}

TEST_CASE("replay matching: nothing detached any more [orchestration_chained_no_matching_action]") {
    differs(detaches, waits, "event 2: recorded is detach_scheduled kid d, the code does wait_started go");
}

TEST_CASE("replay matching: a status that was not set") {
    differs(waits, says, "event 2: recorded is wait_started go, the code does status_set");
}

TEST_CASE("replay matching: a status that is not set any more") {
    differs(says, waits, "event 2: recorded is status_set, the code does wait_started go");
}

TEST_CASE("replay matching: another status") {
    differs(
        says,
        [](Ctx& ctx, Json) -> Task<Json> {
            ctx.set_status("two");
            co_return co_await ctx.wait<Json>("go");
        },
        "event 2: status_set: recorded with \"one\", the code gives \"two\"");
}

TEST_CASE(
    "replay matching: a dropped call is kept [replay_fails_if_persisted_dropped_future_cancel_is_no_longer_emitted]") {
    differs(drops_call, keeps_call, "event 3: recorded is cancelled of 2, the code does wait_started go");
}

TEST_CASE("replay matching: a kept call is dropped [replay_fails_when_cancellation_decisions_differ]") {
    differs(keeps_call, drops_call, "event 3: recorded is wait_started go, the code does cancelled of 2");
}

TEST_CASE("replay matching: a failure that is handled otherwise") {
    differs(
        [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.attempt(ctx.call<Fail>({{"kind", "invalid"}, {"code", "no"}}));
            co_return co_await ctx.wait<Json>("go");
        },
        [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.call<Fail>({{"kind", "invalid"}, {"code", "no"}});
            co_return co_await ctx.wait<Json>("go");
        },
        "event 4: recorded is wait_started go, the code does failed");
}

TEST_CASE("replay matching: numbers that depend on one more draw") {
    differs(
        [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.call<Echo>(ctx.random() % 2 == ctx.random() % 2 ? "same" : "same");
            co_return co_await ctx.wait<Json>("go");
        },
        [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.call<Echo>("drawn");
            co_return co_await ctx.wait<Json>("go");
        },
        "event 2: activity_scheduled echo: recorded with \"same\", the code gives \"drawn\"");
}

TEST_CASE("replay matching: code that looks at something that is not recorded") {
    everywhere([](World& world) {
        deploy(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.call<Echo>(lab().open);
            co_return co_await ctx.wait<Json>("go");
        });
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        lab().open = true;
        restart(world);
        CHECK(parked(world, "a") ==
              "nondeterminism: event 2: activity_scheduled echo: recorded with false, the code gives true");
        lab().open = false;
        world.signal("a", "go", "on");
        CHECK(world.wait("a").output == "on");
    });
}

TEST_CASE("replay matching: another retry policy is no difference, the recorded one holds") {
    agrees(calls_once, [](Ctx& ctx, Json) -> Task<Json> {
        co_await ctx.call<Echo>(1, {.attempts = 50});
        co_return co_await ctx.wait<Json>("go");
    });
}

TEST_CASE("replay matching: another duration is no difference, the recorded one holds") {
    agrees(sleeps, [](Ctx& ctx, Json) -> Task<Json> {
        co_await ctx.sleep(1h);
        co_return co_await ctx.wait<Json>("go");
    });
}

TEST_CASE("replay matching: logging is no difference") {
    agrees(calls_once, [](Ctx& ctx, Json) -> Task<Json> {
        ctx.log("conformance.logged");
        co_await ctx.call<Echo>(1);
        co_return co_await ctx.wait<Json>("go");
    });
}

TEST_CASE("replay matching: what comes after the recorded part may change") {
    agrees(calls_once, [](Ctx& ctx, Json) -> Task<Json> {
        co_await ctx.call<Echo>(1);
        auto said = co_await ctx.wait<Json>("go");
        co_return co_await ctx.call<Echo>(said);
    });
}
