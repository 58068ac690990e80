// Attempts of an activity: how many, how far apart, how long, and what one hands to the next.
#include "kit.hpp"

#include <fmt/format.h>

using namespace toygres;
using namespace toygres::test;

namespace {

const RetryPolicy quick{.attempts = 3, .backoff = Backoff::fixed, .initial_delay = 2ms, .jitter_percent = 0};

// Notes a heartbeat of its own and what the attempt before left; fails until the third attempt.
asio::awaitable<Json> beats(ActivityContext& ctx, Json) {
    lab().seen.push_back(ctx.last_heartbeat());
    ctx.heartbeat({{"reached", ctx.attempt()}});
    if (ctx.attempt() < 3) raise(ErrorKind::transient, "not_yet", "not yet");
    co_return ctx.last_heartbeat();
}

asio::awaitable<void> doze(std::chrono::milliseconds time) {
    asio::steady_timer timer(co_await asio::this_coro::executor, time);
    co_await timer.async_wait(asio::use_awaitable);
}

// Alive for ten beats, then done.
asio::awaitable<Json> keeps_beating(ActivityContext& ctx, Json) {
    for (int i = 0; i < 10; ++i) {
        ctx.heartbeat(i);
        co_await doze(10ms);
    }
    co_return ctx.attempt();
}

// The first attempt goes on after it was given up, beating; the second is silent.
asio::awaitable<Json> haunts(ActivityContext& ctx, Json) {
    ++lab().runs["haunts"];
    if (ctx.attempt() > 1) {
        co_await doze(10s);
        co_return Json();
    }
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    for (int i = 0; i < 100; ++i) {
        if (i > 10) ctx.heartbeat("from the grave");
        co_await doze(10ms);
    }
    co_return Json();
}

void equipped(Code code, const std::function<void(World&)>& test) {
    everywhere([&](World& world) {
        define(world, "o", code);
        activity(world, "beats", beats);
        activity(world, "keeps_beating", keeps_beating);
        activity(world, "haunts", haunts);
        world.start_process();
        test(world);
    });
}

// The failed attempts as recorded with the outcome of the first activity.
Json attempts(World& world, const std::string& id) {
    for (const auto& event : world.history(id))
        if (event.kind == "activity_completed" || event.kind == "activity_failed")
            return event.options.is_object() ? event.options.value("attempts", Json::array()) : Json::array();
    return {};
}

std::int64_t at(const Json& attempt) {
    return parse_rfc3339(attempt.at("at").get<std::string>())->time_since_epoch().count();
}

Task<Json> calls_flaky(Ctx& ctx, Json failures) { co_return co_await ctx.call<Flaky>(failures, quick); }

}  // namespace

TEST_CASE("retries: the time for all attempts together goes on over a takeover") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            co_return co_await ctx.call<Hang>(1, {.attempts = 0, .start_to_close = 1h, .schedule_to_close = 1h});
        });
        world.start_process();
        begin(world, "a", "o");
        world.until([] { return lab().runs["hang"] == 1; });
        world.clock_step = 59min;
        crash(world);
        world.until([] { return lab().runs["hang"] == 2; });
        CHECK(get(world, "a").status == Status::running);
        world.clock_step = 2h;
        crash(world);
        const auto row = world.wait("a");
        CHECK(row.status == Status::failed);
        CHECK(row.error.at("code") == "activity_timeout");
    });
}

TEST_CASE("retries: none when the first attempt does it [test_activity_succeeds_first_attempt]") {
    equipped(calls_flaky, [](World& world) {
        CHECK(run(world, "a", "o", 0).output == 1);
        CHECK(attempts(world, "a").empty());
    });
}

TEST_CASE("retries: until it succeeds [test_activity_fails_then_succeeds]") {
    equipped(calls_flaky, [](World& world) {
        CHECK(run(world, "a", "o", 2).output == 3);
        CHECK(attempts(world, "a").size() == 2);
        CHECK(world.kinds("a") == "started activity_scheduled activity_completed completed");
    });
}

TEST_CASE("retries: until the attempts are used up [test_activity_exhausts_all_attempts]") {
    equipped(calls_flaky, [](World& world) {
        const auto row = run(world, "a", "o", 100);
        CHECK(row.status == Status::failed);
        CHECK(row.error.at("code") == "not_yet");
        CHECK(lab().runs["flaky"] == 3);
        CHECK(attempts(world, "a").size() == 3);
    });
}

TEST_CASE("retries: a single attempt [test_single_attempt_fails]") {
    equipped([](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.call<Flaky>(1, {.attempts = 1}); },
             [](World& world) {
                 CHECK(run(world, "a", "o").status == Status::failed);
                 CHECK(lab().runs["flaky"] == 1);
             });
}

TEST_CASE("retries: without a limit [test_large_max_attempts_integration]") {
    equipped(
        [](Ctx& ctx, Json) -> Task<Json> {
            co_return co_await ctx.call<Flaky>(30, {.attempts = 0, .initial_delay = 0ms, .delay_max = 0ms});
        },
        [](World& world) {
            CHECK(run(world, "a", "o").output == 31);
            CHECK(attempts(world, "a").size() == 20);  // the first and the latest are kept
            CHECK(attempts(world, "a")[0].at("attempt") == 1);
        });
}

TEST_CASE("retries: an error that is for good is not tried again") {
    equipped(
        [](Ctx& ctx, Json) -> Task<Json> {
            for (const auto* kind : {"invalid", "not_found", "conflict", "forbidden", "internal"})
                co_await ctx.attempt(ctx.call<Fail>({{"kind", kind}, {"code", "for_good"}}, quick));
            co_return Json();
        },
        [](World& world) {
            run(world, "a", "o");
            CHECK(lab().runs["fail"] == 5);
        });
}

TEST_CASE("retries: a code that the policy names is not tried again") {
    equipped(
        [](Ctx& ctx, Json) -> Task<Json> {
            auto policy = quick;
            policy.non_retryable = {"hopeless", "not_yet"};
            co_return (co_await ctx.attempt(ctx.call<Flaky>(9, policy))).error().code;
        },
        [](World& world) {
            CHECK(run(world, "a", "o").output == "not_yet");
            CHECK(lab().runs["flaky"] == 1);
        });
}

TEST_CASE("retries: the wait stays fixed [test_backoff_fixed_same_delay]") {
    equipped(
        [](Ctx& ctx, Json) -> Task<Json> {
            co_return co_await ctx.call<Flaky>(
                3, {.attempts = 4, .backoff = Backoff::fixed, .initial_delay = 15ms, .jitter_percent = 0});
        },
        [](World& world) {
            run(world, "a", "o");
            const auto made = attempts(world, "a");
            for (std::size_t i = 1; i < made.size(); ++i) CHECK(at(made[i]) - at(made[i - 1]) >= 15);
        });
}

TEST_CASE("retries: the wait grows by itself [test_backoff_linear_multiplies_by_attempt]") {
    equipped(
        [](Ctx& ctx, Json) -> Task<Json> {
            co_return co_await ctx.call<Flaky>(
                3, {.attempts = 4, .backoff = Backoff::linear, .initial_delay = 10ms, .jitter_percent = 0});
        },
        [](World& world) {
            run(world, "a", "o");
            const auto made = attempts(world, "a");
            for (std::size_t i = 1; i < made.size(); ++i)
                CHECK(at(made[i]) - at(made[i - 1]) >= 10 * static_cast<int>(i));
        });
}

TEST_CASE("retries: the wait doubles, up to its cap [test_backoff_exponential_respects_max]") {
    equipped(
        [](Ctx& ctx, Json) -> Task<Json> {
            co_return co_await ctx.call<Flaky>(4, {.attempts = 5,
                                                   .backoff = Backoff::exponential,
                                                   .initial_delay = 10ms,
                                                   .delay_max = 20ms,
                                                   .jitter_percent = 0});
        },
        [](World& world) {
            run(world, "a", "o");
            const auto made = attempts(world, "a");
            const int least[] = {10, 20, 20};
            for (std::size_t i = 1; i < made.size(); ++i) CHECK(at(made[i]) - at(made[i - 1]) >= least[i - 1]);
        });
}

TEST_CASE("retries: jitter stays within its bounds") {
    equipped(
        [](Ctx& ctx, Json) -> Task<Json> {
            co_return co_await ctx.call<Flaky>(
                10, {.attempts = 11, .backoff = Backoff::fixed, .initial_delay = 10ms, .jitter_percent = 50});
        },
        [](World& world) {
            run(world, "a", "o");
            const auto made = attempts(world, "a");
            for (std::size_t i = 1; i < made.size(); ++i) CHECK(at(made[i]) - at(made[i - 1]) >= 5);
        });
}

TEST_CASE("time-outs: an attempt that takes too long is stopped and tried again") {
    equipped(
        [](Ctx& ctx, Json) -> Task<Json> {
            auto policy = quick;
            policy.attempts = 2;
            policy.start_to_close = 15ms;
            co_return (co_await ctx.attempt(ctx.call<Hang>(1, policy))).error().code;
        },
        [](World& world) {
            CHECK(run(world, "a", "o").output == "activity_timeout");
            CHECK(lab().runs["hang"] == 2);
            CHECK(lab().stopped["hang"] == 2);
        });
}

TEST_CASE("time-outs: all attempts together end in time") {
    equipped(
        [](Ctx& ctx, Json) -> Task<Json> {
            const auto before = ctx.now();
            const auto got = co_await ctx.attempt(ctx.call<Flaky>(
                1'000'000, {.attempts = 0, .initial_delay = 5ms, .delay_max = 5ms, .schedule_to_close = 60ms}));
            co_return Json{got.error().code, (ctx.now() - before).count()};
        },
        [](World& world) {
            const auto row = run(world, "a", "o");
            CHECK(row.output[0] == "not_yet");
            CHECK(row.output[1] < 20'000);
            CHECK(lab().runs["flaky"] > 1);
        });
}

TEST_CASE("time-outs: the last attempt gets what is left of the whole") {
    equipped(
        [](Ctx& ctx, Json) -> Task<Json> {
            auto policy = quick;
            policy.schedule_to_close = 30ms;
            co_return (co_await ctx.attempt(ctx.call<Hang>(1, policy))).error().code;
        },
        [](World& world) {
            CHECK(run(world, "a", "o").output == "activity_timeout");
            CHECK(lab().runs["hang"] == 1);
        });
}

TEST_CASE("time-outs: one that waits for its turn in the process counts towards the whole") {
    everywhere([](World& world) {
        world.options.activities_max = 1;
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            auto first = ctx.call<Hold>(1);
            auto second = ctx.call<Echo>(2);
            co_await ctx.sleep(5ms);
            co_await ctx.wait<Json>("go");
            co_await std::move(first);
            co_return co_await std::move(second);
        });
        world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        CHECK(lab().runs["echo"] == 0);
        lab().open = true;
        world.signal("a", "go", 1);
        CHECK(world.wait("a").output == 2);
    });
}

TEST_CASE("activities at once: those that mostly wait leave the places to others") {
    everywhere([](World& world) {
        world.options.activities_max = 1;
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            auto first = ctx.call<Watch>(1);
            auto second = ctx.call<Watch>(2);
            const auto third = co_await ctx.call<Echo>(3);
            co_await ctx.wait<Json>("go");
            co_return third;
        });
        world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        CHECK(lab().runs["hang"] == 2);
        world.signal("a", "go", 1);
        CHECK(world.wait("a").output == 3);
    });
}

TEST_CASE("activities at once: one that waits for its next attempt leaves its place to others") {
    everywhere([](World& world) {
        world.options.activities_max = 1;
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            auto failing = ctx.call<Flaky>(1, {.attempts = 2, .initial_delay = 1h, .delay_max = 1h});
            const auto other = co_await ctx.call<Echo>(2);
            co_await ctx.wait<Json>("go");
            co_return other;
        });
        world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        CHECK(lab().runs["flaky"] == 1);
        CHECK(lab().runs["echo"] == 1);
        world.signal("a", "go", 1);
        CHECK(world.wait("a").output == 2);
    });
}

TEST_CASE("activities at once: heavy ones wait for each other, and nothing else waits for them") {
    everywhere([](World& world) {
        world.options.heavy_activities_max = 1;
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            auto first = ctx.call<Toil>(1);
            auto second = ctx.call<Toil>(2);
            const auto third = co_await ctx.call<Echo>(3);
            co_await ctx.wait<Json>("go");
            co_return third;
        });
        world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        CHECK(lab().runs["hang"] == 1);
        world.signal("a", "go", 1);
        CHECK(world.wait("a").output == 3);
        // One that was stopped leaves its place to the next.
        begin(world, "b", "o");
        world.until_recorded("b", EventKind::wait_started);
        CHECK(lab().runs["hang"] == 2);
        world.signal("b", "go", 1);
        CHECK(world.wait("b").output == 3);
    });
}

TEST_CASE("activities at once: heavy ones run one by one while callers wait") {
    everywhere([](World& world) {
        world.options.callers_wait = [] { return !lab().open; };
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            auto first = ctx.call<Toil>(1);
            auto second = ctx.call<Toil>(2);
            auto third = ctx.call<Toil>(3);
            co_await ctx.wait<Json>("go");
            co_return 1;
        });
        world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        CHECK(lab().runs["hang"] == 1);
        world.signal("a", "go", 1);
        CHECK(world.wait("a").output == 1);
        lab().open = true;
        begin(world, "b", "o");
        world.until_recorded("b", EventKind::wait_started);
        CHECK(lab().runs["hang"] == 4);
        world.signal("b", "go", 1);
        CHECK(world.wait("b").output == 1);
    });
}

TEST_CASE("heartbeats: what an attempt left is handed to the next") {
    equipped([](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.call<Named<"beats">>(1, quick); },
             [](World& world) {
                 CHECK(run(world, "a", "o").output == Json{{"reached", 2}});
                 CHECK(lab().seen == std::vector<Json>{Json(), {{"reached", 1}}, {{"reached", 2}}});
             });
}

TEST_CASE("heartbeats: silence ends an attempt") {
    equipped(
        [](Ctx& ctx, Json) -> Task<Json> {
            auto policy = quick;
            policy.attempts = 2;
            policy.heartbeat_timeout = 15ms;
            co_return (co_await ctx.attempt(ctx.call<Hang>(1, policy))).error().code;
        },
        [](World& world) {
            CHECK(run(world, "a", "o").output == "heartbeat_timeout");
            CHECK(lab().runs["hang"] == 2);
        });
}

TEST_CASE("heartbeats: who gives signs of life may take long") {
    equipped(
        [](Ctx& ctx, Json) -> Task<Json> {
            auto policy = quick;
            policy.heartbeat_timeout = 2s;
            co_return co_await ctx.call<Named<"keeps_beating">>(1, policy);
        },
        [](World& world) { CHECK(run(world, "a", "o").output == 1); });
}

TEST_CASE("heartbeats: of an attempt that was given up count for nothing") {
    equipped(
        [](Ctx& ctx, Json) -> Task<Json> {
            auto policy = quick;
            policy.attempts = 2;
            policy.heartbeat_timeout = 50ms;
            const auto got = co_await ctx.attempt(ctx.call<Named<"haunts">>(1, policy));
            co_return got ? Json("never") : Json(got.error().code);
        },
        [](World& world) {
            CHECK(run(world, "a", "o").output == "heartbeat_timeout");
            CHECK(lab().runs["haunts"] == 2);
            const auto made = attempts(world, "a");
            CHECK(at(made[1]) - at(made[0]) < 800);  // it beat for a second
        });
}

TEST_CASE("retries: the key for idempotency is the same in every attempt") {
    everywhere([](World& world) {
        activity(world, "keyed", [](ActivityContext& ctx, Json) -> asio::awaitable<Json> {
            lab().seen.push_back(ctx.idempotency_key());
            if (ctx.attempt() < 3) raise(ErrorKind::transient, "not_yet", "not yet");
            co_return ctx.idempotency_key();
        });
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.call<Named<"keyed">>(1, quick); });
        world.start_process();
        CHECK(run(world, "a", "o").output == "a/1/2");
        CHECK(lab().seen == std::vector<Json>(3, "a/1/2"));
    });
}

TEST_CASE("retries: an activity under way is run again after a crash [activity_reliability_after_crash]") {
    equipped([](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.call<Hold>("held"); },
             [](World& world) {
                 begin(world, "a", "o");
                 world.until([] { return lab().runs["hold"] == 1; });
                 crash(world);
                 world.until([] { return lab().runs["hold"] == 2; });
                 lab().open = true;
                 CHECK(world.wait("a").output == "held");
             });
}

TEST_CASE("retries: an answer that is recorded is not asked for again after a crash") {
    equipped(
        [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.call<Echo>(1);
            co_return co_await ctx.wait<Json>("go");
        },
        [](World& world) {
            begin(world, "a", "o");
            world.until_recorded("a", EventKind::wait_started);
            crash(world);
            world.signal("a", "go", 1);
            world.wait("a");
            CHECK(lab().runs["echo"] == 1);
        });
}
