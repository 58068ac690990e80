// Cancellation: told at the present wait, held off by shields, children first; and what it does to activities.
#include "kit.hpp"

#include <fmt/format.h>

using namespace toygres;
using namespace toygres::test;

namespace {

Task<Json> waits(Ctx& ctx, Json) { co_return co_await ctx.wait<Json>("never"); }

// Begins `code`, waits until it has recorded `reached`, cancels it; its end.
void cancelled(Code code, EventKind reached, const std::function<void(World&, const OrchestrationRow&)>& check) {
    everywhere([&](World& world) {
        define(world, "o", code);
        define(world, "patient", waits);
        world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", reached);
        world.cancel("a");
        const auto row = world.wait("a");
        INFO(world.kinds("a"));
        check(world, row);
    });
}

void is_cancelled(World&, const OrchestrationRow& row) {
    CHECK(row.status == Status::cancelled);
    CHECK(row.error.at("message") == "enough");
}

}  // namespace

TEST_CASE("cancellation: of a wait for a signal [cancel_via_message]") {
    cancelled(waits, EventKind::wait_started, is_cancelled);
}

TEST_CASE("cancellation: of a timer [timer_cancellation]") {
    cancelled(
        [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.sleep(1h);
            co_return Json();
        },
        EventKind::timer_created, is_cancelled);
}

TEST_CASE("cancellation: of an activity, which gets its stop token [activity_receives_cancellation_signal]") {
    cancelled([](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.call<Hang>(1); }, EventKind::activity_scheduled,
              [](World& world, const OrchestrationRow& row) {
                  is_cancelled(world, row);
                  world.until([] { return lab().stopped["hang"] == lab().runs["hang"]; });
              });
}

TEST_CASE("cancellation: of a select") {
    cancelled(
        [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.any(ctx.wait<Json>("never"), ctx.sleep(1h), ctx.call<Hang>(1));
            co_return Json();
        },
        EventKind::activity_scheduled,
        [](World& world, const OrchestrationRow& row) {
            is_cancelled(world, row);
            CHECK(recorded(world, "a", EventKind::cancelled) == 3);
        });
}

TEST_CASE("cancellation: of a join [cancel_with_pending_activity]") {
    cancelled(
        [](Ctx& ctx, Json) -> Task<Json> {
            std::vector<Future<Json>> all;
            for (int i = 0; i < 3; ++i) all.push_back(ctx.call<Hang>(i));
            co_return Json(co_await ctx.all(std::move(all)));
        },
        EventKind::activity_scheduled,
        [](World& world, const OrchestrationRow& row) {
            is_cancelled(world, row);
            CHECK(recorded(world, "a", EventKind::cancelled) == 3);
        });
}

TEST_CASE("cancellation: of a loop over futures") {
    cancelled(
        [](Ctx& ctx, Json) -> Task<Json> {
            std::vector<Future<Json>> all;
            for (int i = 0; i < 3; ++i) all.push_back(ctx.call<Hang>(i));
            co_return co_await ctx.first_of(all);
        },
        EventKind::activity_scheduled, is_cancelled);
}

TEST_CASE("cancellation: code may handle it and end well") {
    cancelled(
        [](Ctx& ctx, Json) -> Task<Json> {
            const auto got = co_await ctx.attempt(ctx.wait<Json>("never"));
            co_return got.error().message;
        },
        EventKind::wait_started,
        [](World&, const OrchestrationRow& row) {
            CHECK(row.status == Status::completed);
            CHECK(row.output == "enough");
        });
}

TEST_CASE("cancellation: clean-up under a shield waits, calls and sleeps") {
    cancelled(
        [](Ctx& ctx, Json) -> Task<Json> {
            const auto got = co_await ctx.attempt(ctx.wait<Json>("never"));
            auto shield = ctx.shield();
            co_await ctx.call<Echo>("clean");
            co_await ctx.sleep(1ms);
            co_await ctx.transact<Add>(3);
            throw ErrorException(got.error());
        },
        EventKind::wait_started,
        [](World& world, const OrchestrationRow& row) {
            is_cancelled(world, row);
            CHECK(balance(world, "a") == 3);
        });
}

TEST_CASE("cancellation: within a shield it is told at the first wait after") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            {
                auto shield = ctx.shield();
                co_await ctx.wait<Json>("go");
                ctx.set_status("shielded to the end");
            }
            co_return co_await ctx.wait<Json>("never");
        });
        world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        world.cancel("a");
        world.until_recorded("a", EventKind::cancel_requested);
        world.signal("a", "go", 1);
        const auto row = world.wait("a");
        CHECK(row.status == Status::cancelled);
        CHECK(row.custom_status == "shielded to the end");
    });
}

TEST_CASE("cancellation: shields nest") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            auto outer = ctx.shield();
            {
                auto inner = ctx.shield();
                co_await ctx.sleep(1ms);
            }
            co_return co_await ctx.wait<Json>("go");
        });
        world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        world.cancel("a");
        world.until_recorded("a", EventKind::cancel_requested);
        world.signal("a", "go", "whole");
        CHECK(world.wait("a").output == "whole");
    });
}

TEST_CASE("cancellation: asked for many times counts once [multiple_cancel_calls_are_idempotent]") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.attempt(ctx.wait<Json>("never"));
            auto shield = ctx.shield();
            co_return co_await ctx.wait<Json>("go");
        });
        world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        for (int i = 0; i < 3; ++i) world.cancel("a");
        world.until_recorded("a", EventKind::wait_started, 2);
        world.cancel("a");
        world.signal("a", "go", 1);
        CHECK(world.wait("a").output == 1);
        CHECK(recorded(world, "a", EventKind::cancel_requested) == 1);
    });
}

TEST_CASE("cancellation: before the first turn [cancel_before_orchestration_starts]") {
    everywhere([](World& world) {
        define(world, "o", waits);
        auto& process = world.start_process();
        world.stop(process);
        auto& other = world.start_process();
        value_or_raise(world.await(other.store->start({.id = "a", .name = "o", .input = {}})));
        world.cancel("a");
        CHECK(world.wait("a").status == Status::cancelled);
    });
}

TEST_CASE("cancellation: of one that has ended, or never was, is told [cancel_after_completion_is_noop]") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx&, Json) -> Task<Json> { co_return Json(1); });
        world.start_process();
        run(world, "a", "o");
        CHECK(world.await(world.client().cancel("a", "late")).error().code == "orchestration_finished");
        CHECK(world.await(world.client().cancel("b", "lost")).error().code == "orchestration_not_found");
        CHECK(get(world, "a").status == Status::completed);
    });
}

TEST_CASE("cancellation: of a later execution [cancel_continue_as_new_second_exec]") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json in) -> Task<Json> {
            if (in.is_null()) ctx.continue_as_new(Json(2));
            co_return co_await ctx.wait<Json>("never");
        });
        world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        world.cancel("a");
        CHECK(world.wait("a").status == Status::cancelled);
    });
}

TEST_CASE("cancellation: that a shield held off is not lost when it continues as new") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json in) -> Task<Json> {
            if (!in.is_null()) co_return co_await ctx.wait<Json>("never");
            auto shield = ctx.shield();
            co_await ctx.wait<Json>("go");
            ctx.continue_as_new(Json(2));
        });
        world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        world.cancel("a");
        world.until_recorded("a", EventKind::cancel_requested);
        world.signal("a", "go", 1);
        const auto row = world.wait("a");
        CHECK(row.status == Status::cancelled);
        CHECK(row.execution == 2);
        CHECK(row.error.at("message") == "enough");
    });
}

TEST_CASE("cancellation: that was handled is not told again to the next execution") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json in) -> Task<Json> {
            if (!in.is_null()) co_return co_await ctx.wait<Json>("go");
            co_await ctx.attempt(ctx.wait<Json>("never"));
            ctx.continue_as_new(Json(2));
        });
        world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        world.cancel("a");
        world.until([&] { return get(world, "a").execution == 2; });
        world.signal("a", "go", "on");
        CHECK(world.wait("a").output == "on");
    });
}

TEST_CASE("cancellation: survives a crash") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            {
                auto shield = ctx.shield();
                co_await ctx.wait<Json>("go");
            }
            co_return co_await ctx.wait<Json>("never");
        });
        world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        world.cancel("a");
        world.until_recorded("a", EventKind::cancel_requested);
        crash(world);
        world.signal("a", "go", 1);
        CHECK(world.wait("a").status == Status::cancelled);
    });
}

TEST_CASE("cancellation: code that swallows it again and again fails in the end, and holds up nobody") {
    on_memory([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            while (!co_await ctx.attempt(ctx.wait<Json>("never"))) continue;
            co_return Json();
        });
        define(world, "other", [](Ctx&, Json in) -> Task<Json> { co_return in; });
        world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        world.cancel("a");
        const auto row = world.wait("a");
        CHECK(row.status == Status::failed);
        CHECK(row.error.at("code") == "history_too_long");
        CHECK(run(world, "b", "other", 1).output == 1);
    });
}

TEST_CASE(
    "cancellation: a result that comes after it is dropped [activity_result_dropped_when_orchestration_cancelled]") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.attempt(ctx.call<Hold>(1));
            auto shield = ctx.shield();
            co_return co_await ctx.wait<Json>("go");
        });
        world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::activity_scheduled);
        world.cancel("a");
        world.until_recorded("a", EventKind::wait_started);
        lab().open = true;
        pass(world, 10ms);
        world.signal("a", "go", 1);
        world.wait("a");
        CHECK(recorded(world, "a", EventKind::activity_completed) == 0);
    });
}

TEST_CASE("terminate: stops its activities and asks no code") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.attempt(ctx.call<Hang>(1));
            auto shield = ctx.shield();
            co_return co_await ctx.transact<Add>(1);
        });
        world.start_process();
        begin(world, "a", "o");
        world.until([] { return lab().runs["hang"] >= 1; });
        value_or_raise(world.await(world.client().terminate("a", "now")));
        CHECK(world.wait("a").status == Status::terminated);
        world.until([] { return lab().stopped["hang"] == lab().runs["hang"]; });
        CHECK(balance(world, "a") == 0);
        CHECK(world.kinds("a").ends_with("activity_scheduled failed"));
    });
}

TEST_CASE("terminate: signals that came with it leave nothing in the inbox") {
    on_postgres([](World& world) {
        define(world, "o", waits);
        world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        world.signal("a", "word", 1);
        value_or_raise(world.await(world.client().terminate("a", "now")));
        static_cast<void>(world.await(world.client().signal("a", "word", 2)));
        CHECK(world.wait("a").status == Status::terminated);
        world.until([&] { return sql_value(world, "SELECT count(*) FROM inbox") == "0"; });
    });
}
