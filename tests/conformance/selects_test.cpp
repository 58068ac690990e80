// Selects, joins, and what becomes of those that lost.
#include "kit.hpp"

using namespace toygres;
using namespace toygres::test;

namespace {

// Runs `code` as "o" under the id "a"; its end.
void ends(Code code, const std::function<void(World&, const OrchestrationRow&)>& check) {
    everywhere([&](World& world) {
        define(world, "o", code);
        define(world, "kid", [](Ctx& ctx, Json in) -> Task<Json> {
            co_await ctx.sleep(1ms);
            co_return in;
        });
        define(world, "patient", [](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.wait<Json>("never"); });
        world.start_process();
        const auto row = run(world, "a", "o");
        INFO(world.kinds("a"));
        CHECK(row.status == Status::completed);
        check(world, row);
    });
}

void gives(Code code, const Json& output) {
    ends(code, [&](World&, const OrchestrationRow& row) { CHECK(row.output == output); });
}

template <class Any> Json index(const Any& won) { return static_cast<int>(won.index); }

}  // namespace

TEST_CASE("select: the activity that is done beats the timer [select2_activity_wins]") {
    gives([](Ctx& ctx, Json) -> Task<Json> { co_return index(co_await ctx.any(ctx.call<Echo>(1), ctx.sleep(1h))); }, 0);
}

TEST_CASE("select: the timer beats the activity that hangs, and stops it [select2_timer_wins_activity_cancelled]") {
    ends([](Ctx& ctx, Json) -> Task<Json> { co_return index(co_await ctx.any(ctx.call<Hang>(1), ctx.sleep(5ms))); },
         [](World& world, const OrchestrationRow& row) {
             CHECK(row.output == 1);
             CHECK(world.kinds("a") == "started activity_scheduled timer_created timer_fired cancelled completed");
             world.until([] { return lab().stopped["hang"] == lab().runs["hang"]; });
         });
}

TEST_CASE("select: a timer that lost leaves nothing behind [select2_activity_wins_timer_not_cancelled]") {
    ends(
        [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.any(ctx.call<Echo>(1), ctx.sleep(20ms));
            co_await ctx.sleep(40ms);
            co_return Json();
        },
        [](World& world, const OrchestrationRow&) { CHECK(recorded(world, "a", EventKind::timer_fired) == 1); });
}

TEST_CASE("select: three, and two are stopped [select3_two_activities_cancelled]") {
    ends(
        [](Ctx& ctx, Json) -> Task<Json> {
            co_return index(co_await ctx.any(ctx.call<Hang>(1), ctx.call<Echo>(2), ctx.call<Hang>(3)));
        },
        [](World& world, const OrchestrationRow& row) {
            CHECK(row.output == 1);
            CHECK(recorded(world, "a", EventKind::cancelled) == 2);
        });
}

TEST_CASE("select: the first in the record wins, not in the code [select2_two_externals_first_delivery_wins]") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            auto one = ctx.wait<Json>("one");
            auto two = ctx.wait<Json>("two");
            co_await ctx.wait<Json>("go");
            co_return index(co_await ctx.any(std::move(one), std::move(two)));
        });
        world.start_process();
        begin(world, "a", "o");
        for (const auto* name : {"two", "one", "go"}) world.signal("a", name, 1);
        CHECK(world.wait("a").output == 1);
    });
}

TEST_CASE("select: of two that are done already the earlier wins") {
    gives(
        [](Ctx& ctx, Json) -> Task<Json> {
            auto late = ctx.sleep(8ms);
            auto early = ctx.sleep(1ms);
            co_await ctx.sleep(20ms);
            co_return index(co_await ctx.any(std::move(late), std::move(early)));
        },
        1);
}

TEST_CASE("select: a signal beats an activity, whose late answer is dropped [sample_select2_activity_vs_external]") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            const auto won = co_await ctx.any(ctx.wait<Json>("now"), ctx.call<Hold>(1));
            co_await ctx.wait<Json>("more");
            co_return index(won);
        });
        world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::activity_scheduled);
        world.signal("a", "now", 1);
        world.until_recorded("a", EventKind::cancelled);
        lab().open = true;
        pass(world, 10ms);
        world.signal("a", "more", 1);
        CHECK(world.wait("a").output == 0);
        CHECK(recorded(world, "a", EventKind::activity_completed) == 0);
    });
}

TEST_CASE(
    "select: the wait that lost does not take the next signal [cancelled_subscription_does_not_steal_future_event]") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.any(ctx.wait<Json>("word"), ctx.sleep(1ms));
            co_return co_await ctx.wait<Json>("word");
        });
        world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started, 2);
        world.signal("a", "word", "mine");
        CHECK(world.wait("a").output == "mine");
    });
}

TEST_CASE(
    "select: a signal that came for the wait that lost goes to the next "
    "[persistent_event_survives_select_cancellation]") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            auto first = ctx.wait<Json>("first");
            auto word = ctx.wait<Json>("word");
            co_await ctx.wait<Json>("go");
            co_await ctx.any(std::move(first), std::move(word));
            co_return co_await ctx.wait<Json>("word");
        });
        world.start_process();
        begin(world, "a", "o");
        world.signal("a", "first", 1);
        world.signal("a", "word", "kept");
        world.signal("a", "go", 1);
        CHECK(world.wait("a").output == "kept");
    });
}

TEST_CASE("select: a child beats the timer [async_block_suborchestration_wins_race]") {
    gives([](Ctx& ctx,
             Json) -> Task<Json> { co_return index(co_await ctx.any(ctx.child<Named<"kid">>(1), ctx.sleep(1h))); },
          0);
}

TEST_CASE("select: a child that lost is cancelled [select2_loser_sub_orchestration_cancelled]") {
    ends(
        [](Ctx& ctx, Json) -> Task<Json> {
            const auto won = co_await ctx.any(ctx.child<Named<"patient">>(1, {.id = "p"}), ctx.sleep(10ms));
            co_return index(won);
        },
        [](World& world, const OrchestrationRow& row) {
            CHECK(row.output == 1);
            CHECK(world.wait("p").status == Status::cancelled);
        });
}

TEST_CASE(
    "select: a child with a name of the runtime's that lost is cancelled [sub_orchestration_out_of_scope_cancelled]") {
    ends(
        [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.any(ctx.child<Named<"patient">>(1), ctx.sleep(10ms));
            co_return Json();
        },
        [](World& world, const OrchestrationRow&) { CHECK(world.wait("a/1.2").status == Status::cancelled); });
}

TEST_CASE("select: one that failed wins too, and its failure is thrown") {
    gives(
        [](Ctx& ctx, Json) -> Task<Json> {
            auto race = [](Ctx& c) -> Task<Json> {
                co_return index(co_await c.any(c.call<Fail>({{"kind", "invalid"}, {"code", "lost"}}), c.sleep(1h)));
            };
            const auto won = co_await ctx.attempt(race(ctx));
            co_return won.error().code;
        },
        "lost");
}

TEST_CASE("select: in a loop, all are taken in the order they are done") {
    gives(
        [](Ctx& ctx, Json) -> Task<Json> {
            std::vector<Future<Nothing>> timers;
            timers.push_back(ctx.sleep(30ms));
            timers.push_back(ctx.sleep(1ms));
            timers.push_back(ctx.sleep(15ms));
            std::vector<int> names{30, 1, 15};
            Json out = Json::array();
            while (!timers.empty()) {
                const auto i = static_cast<std::ptrdiff_t>(co_await ctx.first_of(timers));
                out.push_back(names[static_cast<std::size_t>(i)]);
                co_await std::move(timers[static_cast<std::size_t>(i)]);
                timers.erase(timers.begin() + i);
                names.erase(names.begin() + i);
            }
            co_return out;
        },
        {1, 15, 30});
}

TEST_CASE("join: answers in the order of the questions [join_returns_schedule_order]") {
    gives(
        [](Ctx& ctx, Json) -> Task<Json> {
            std::vector<Future<Json>> all;
            for (int i = 0; i < 20; ++i) all.push_back(ctx.call<Echo>(i));
            co_return Json(co_await ctx.all(std::move(all)));
        },
        {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19});
}

TEST_CASE("join: of none") {
    gives([](Ctx& ctx, Json) -> Task<Json> { co_return Json(co_await ctx.all(std::vector<Future<Json>>())).size(); },
          0);
}

TEST_CASE("join: the first failure ends it and stops the others [join_one_fails]") {
    ends(
        [](Ctx& ctx, Json) -> Task<Json> {
            auto both = [](Ctx& c) -> Task<Json> {
                std::vector<Future<Json>> all;
                all.push_back(c.call<Hang>(1));
                all.push_back(c.call<Fail>({{"kind", "invalid"}, {"code", "broken"}}));
                co_return Json(co_await c.all(std::move(all)));
            };
            co_return (co_await ctx.attempt(both(ctx))).error().code;
        },
        [](World& world, const OrchestrationRow& row) {
            CHECK(row.output == "broken");
            CHECK(recorded(world, "a", EventKind::cancelled) == 1);
            world.until([] { return lab().stopped["hang"] == lab().runs["hang"]; });
        });
}

TEST_CASE("join: of children [async_block_multiple_suborchestrations_joined]") {
    gives(
        [](Ctx& ctx, Json) -> Task<Json> {
            std::vector<Future<Json>> all;
            for (int i = 0; i < 5; ++i) all.push_back(ctx.child<Named<"kid">>(i));
            co_return Json(co_await ctx.all(std::move(all)));
        },
        {0, 1, 2, 3, 4});
}

TEST_CASE("join: within a select [async_block_nested_join_in_select]") {
    gives(
        [](Ctx& ctx, Json) -> Task<Json> {
            auto one = ctx.call<Echo>(1);
            auto two = ctx.call<Echo>(2);
            const auto first = co_await ctx.any(std::move(one), ctx.sleep(1h));
            const auto second = co_await std::move(two);
            co_return std::get<0>(first.value).get<int>() + second.get<int>();
        },
        3);
}

TEST_CASE("losers: one that is dropped before it was awaited is stopped [explicit_drop_activity_gets_cancelled]") {
    ends(
        [](Ctx& ctx, Json) -> Task<Json> {
            {
                auto dropped = ctx.call<Hang>(1);
            }
            co_await ctx.sleep(5ms);
            co_return Json();
        },
        [](World& world, const OrchestrationRow&) {
            CHECK(world.kinds("a") == "started activity_scheduled cancelled timer_created timer_fired completed");
            world.until([] { return lab().stopped["hang"] == lab().runs["hang"]; });
        });
}

TEST_CASE("losers: one that is dropped later is stopped [cross_turn_activity_cancellation]") {
    ends(
        [](Ctx& ctx, Json) -> Task<Json> {
            auto slow = std::optional(ctx.call<Hang>(1));
            co_await ctx.sleep(5ms);
            slow.reset();
            co_await ctx.sleep(1ms);
            co_return Json();
        },
        [](World& world, const OrchestrationRow&) {
            CHECK(recorded(world, "a", EventKind::cancelled) == 1);
            world.until([] { return lab().stopped["hang"] >= 1; });
        });
}

TEST_CASE("losers: one that was done when it was dropped is not cancelled [completed_future_not_in_cancelled_list]") {
    ends(
        [](Ctx& ctx, Json) -> Task<Json> {
            auto done = std::optional(ctx.call<Echo>(1));
            co_await ctx.sleep(20ms);
            done.reset();
            co_return Json();
        },
        [](World& world, const OrchestrationRow&) { CHECK(recorded(world, "a", EventKind::cancelled) == 0); });
}

TEST_CASE("losers: a wait that is dropped is recorded as such [explicit_drop_external_wait]") {
    ends(
        [](Ctx& ctx, Json) -> Task<Json> {
            {
                auto dropped = ctx.wait<Json>("never");
            }
            co_await ctx.sleep(1ms);
            co_return Json();
        },
        [](World& world, const OrchestrationRow&) {
            CHECK(world.kinds("a") == "started wait_started cancelled timer_created timer_fired completed");
        });
}

TEST_CASE("losers: many are dropped at once [multiple_dropped_activities_all_cancelled]") {
    ends(
        [](Ctx& ctx, Json) -> Task<Json> {
            {
                std::vector<Future<Json>> many;
                for (int i = 0; i < 30; ++i) many.push_back(ctx.call<Hang>(i));
                co_await ctx.sleep(5ms);
            }
            co_await ctx.sleep(1ms);
            co_return Json();
        },
        [](World& world, const OrchestrationRow&) {
            CHECK(recorded(world, "a", EventKind::cancelled) == 30);
            world.until([] { return lab().stopped["hang"] == 30; });
        });
}

TEST_CASE(
    "losers: those still open at the end are stopped with it [orchestration_completes_before_activity_finishes]") {
    ends(
        [](Ctx& ctx, Json) -> Task<Json> {
            auto open = ctx.call<Hang>(1);
            co_await ctx.sleep(5ms);
            co_return Json("done");
        },
        [](World& world, const OrchestrationRow& row) {
            CHECK(row.output == "done");
            world.until([] { return lab().stopped["hang"] == 1; });
        });
}

TEST_CASE("losers: a loser stays lost after a crash [replay_select_loser_same_cancellation]") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.any(ctx.call<Hang>(1), ctx.sleep(1ms));
            co_return co_await ctx.wait<Json>("go");
        });
        world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        const int runs = lab().runs["hang"];
        crash(world);
        world.signal("a", "go", 1);
        CHECK(world.wait("a").output == 1);
        CHECK(lab().runs["hang"] == runs);
    });
}
