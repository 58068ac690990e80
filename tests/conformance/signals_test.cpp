// Signals: durable, in order, by name, each once, and carried from execution to execution.
#include "kit.hpp"

#include <fmt/format.h>

using namespace toygres;
using namespace toygres::test;

namespace {

// Takes as many as its input says, one execution or all.
Task<Json> collects(Ctx& ctx, Json count) {
    Json out = Json::array();
    for (int i = 0; i < count.get<int>(); ++i) out.push_back(co_await ctx.wait<Json>("word"));
    co_return out;
}

// Takes one signal an execution and continues as new: {"left", "words"}.
Task<Json> relays(Ctx& ctx, Json in) {
    in["words"].push_back(co_await ctx.wait<Json>("word"));
    in["left"] = in["left"].get<int>() - 1;
    if (in["left"] == 0) co_return in["words"];
    ctx.continue_as_new(in);
}
Json relay(int left) { return {{"left", left}, {"words", Json::array()}}; }

Json numbers(int count) {
    Json out = Json::array();
    for (int i = 0; i < count; ++i) out.push_back(i);
    return out;
}

}  // namespace

TEST_CASE("signals: one that comes while it is waited for [persistent_event_basic_delivery]") {
    everywhere([](World& world) {
        define(world, "o", collects);
        world.start_process();
        begin(world, "a", "o", 1);
        world.until_recorded("a", EventKind::wait_started);
        world.signal("a", "word", {{"deep", {1, 2}}});
        CHECK(world.wait("a").output == Json::array({{{"deep", {1, 2}}}}));
    });
}

TEST_CASE("signals: those that come before anybody waits are kept [persistent_event_arrives_before_subscription]") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.wait<Json>("go");
            co_return co_await ctx.wait<Json>("word");
        });
        world.start_process();
        begin(world, "a", "o");
        world.signal("a", "word", "early");
        world.until_recorded("a", EventKind::signal_received);
        world.signal("a", "go", 1);
        CHECK(world.wait("a").output == "early");
    });
}

TEST_CASE("signals: a hundred in the order they were sent [persistent_event_fifo_ordering]") {
    everywhere([](World& world) {
        define(world, "o", collects);
        world.start_process();
        begin(world, "a", "o", 100);
        for (int i = 0; i < 100; ++i) world.signal("a", "word", i);
        CHECK(world.wait("a").output == numbers(100));
    });
}

TEST_CASE("signals: sent before its first turn, while nobody owns it") {
    everywhere([](World& world) {
        define(world, "o", collects);
        auto& process = world.start_process();
        begin(world, "a", "o", 2);
        world.signal("a", "word", 0);
        world.signal("a", "word", 1);
        world.kill(process);
        world.start_process();
        CHECK(world.wait("a").output == numbers(2));
    });
}

TEST_CASE("signals: each name has a queue of its own [multi_queue_isolation_and_independent_fifo]") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            Json out = Json::array();
            for (const auto* name : {"b", "a", "b", "a"}) out.push_back(co_await ctx.wait<Json>(name));
            co_return out;
        });
        world.start_process();
        begin(world, "a", "o");
        for (const auto* word : {"a1", "a2", "b1", "b2"}) world.signal("a", std::string(1, word[0]), word);
        CHECK(world.wait("a").output == Json{"b1", "a1", "b2", "a2"});
    });
}

TEST_CASE("signals: two waits on one name are served in their order [multiple_external_events_same_name]") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            auto first = ctx.wait<Json>("word");
            auto second = ctx.wait<Json>("word");
            const auto two = co_await std::move(second);
            const auto one = co_await std::move(first);
            co_return Json{one, two};
        });
        world.start_process();
        begin(world, "a", "o");
        world.signal("a", "word", 1);
        world.signal("a", "word", 2);
        CHECK(world.wait("a").output == Json{1, 2});
    });
}

TEST_CASE("signals: the same words twice are two signals [duplicate_external_events_not_deduplicated]") {
    everywhere([](World& world) {
        define(world, "o", collects);
        world.start_process();
        begin(world, "a", "o", 2);
        world.signal("a", "word", "same");
        world.signal("a", "word", "same");
        CHECK(world.wait("a").output == Json{"same", "same"});
    });
}

TEST_CASE("signals: one dedup key counts once, before and after it is taken in [external_duplicate_workitems_dedup]") {
    everywhere([](World& world) {
        define(world, "o", collects);
        world.start_process();
        begin(world, "a", "o", 2);
        for (int i = 0; i < 3; ++i) world.signal("a", "word", 0, "key");
        world.until_recorded("a", EventKind::signal_received);
        for (int i = 0; i < 3; ++i) world.signal("a", "word", 0, "key");
        world.signal("a", "word", 1, "other key");
        CHECK(world.wait("a").output == numbers(2));
    });
}

TEST_CASE("signals: a dedup key counts once over executions too") {
    everywhere([](World& world) {
        define(world, "o", relays);
        world.start_process();
        begin(world, "a", "o", relay(2));
        world.signal("a", "word", 0, "key");
        world.until([&] { return get(world, "a").execution == 2; });
        world.signal("a", "word", 0, "key");
        world.signal("a", "word", 1);
        CHECK(world.wait("a").output == numbers(2));
    });
}

TEST_CASE("signals: a dedup key that looks like the runtime's own takes nothing away") {
    everywhere([](World& world) {
        define(world, "kid", [](Ctx&, Json in) -> Task<Json> { co_return in; });
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.wait<Json>("go");
            const auto stepped = co_await ctx.transact<Add>(5);
            const auto child = co_await ctx.child<Named<"kid">>(6);
            co_return Json{stepped, child};
        });
        world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        auto& process = world.running();
        world.freeze(process);  // so that what is sent now is still in the inbox when the step commits
        world.thaw(process);
        for (int at = 1; at < 9; ++at) {
            world.signal("a", "other", "forged", fmt::format("step/1/{}", at));
            world.signal("a", "other", "forged", fmt::format("child/1/{}", at));
        }
        world.signal("a", "go", 1);
        CHECK(world.wait("a").output == Json{5, 6});
        CHECK(balance(world, "a") == 5);
    });
}

TEST_CASE(
    "signals: carried whole from execution to execution [kv_survives, persistent events across continue_as_new]") {
    everywhere([](World& world) {
        define(world, "o", relays);
        world.start_process();
        begin(world, "a", "o", relay(30));
        for (int i = 0; i < 30; ++i) world.signal("a", "word", i);
        const auto row = world.wait("a");
        CHECK(row.output == numbers(30));
        CHECK(row.execution == 30);
    });
}

TEST_CASE(
    "signals: those that come in the turn that continues as new are carried [continue_as_new_event_routes_to_latest]") {
    on_memory([](World& world) {
        define(world, "o", relays);
        auto& process = world.start_process();
        begin(world, "a", "o", relay(5));
        world.until_recorded("a", EventKind::wait_started);
        process.memory->set_available(false);
        process.memory->set_available(true);
        for (int i = 0; i < 5; ++i)  // all at once in the inbox, and so in one turn
            value_or_raise(world.await(process.store->send(
                {.orchestration = "a", .kind = MessageKind::signal, .name = "word", .payload = i})));
        process.host->nudge("a");
        CHECK(world.wait("a").output == numbers(5));
    });
}

TEST_CASE("signals: a burst over executions and a crash") {
    everywhere([](World& world) {
        define(world, "o", relays);
        world.start_process();
        begin(world, "a", "o", relay(12));
        for (int i = 0; i < 6; ++i) world.signal("a", "word", i);
        crash(world);
        for (int i = 6; i < 12; ++i) world.signal("a", "word", i);
        CHECK(world.wait("a").output == numbers(12));
    });
}

TEST_CASE("signals: names that nobody waited for are carried in their order") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json in) -> Task<Json> {
            co_await ctx.wait<Json>("go");
            if (in.is_null()) ctx.continue_as_new(Json(1));
            Json out = Json::array();
            for (int i = 0; i < 2; ++i) {
                out.push_back(co_await ctx.wait<Json>("one"));
                out.push_back(co_await ctx.wait<Json>("two"));
            }
            co_return out;
        });
        world.start_process();
        begin(world, "a", "o");
        world.signal("a", "one", 0);
        world.signal("a", "one", 2);
        world.signal("a", "two", 1);
        world.signal("a", "two", 3);
        world.signal("a", "go", 1);
        world.signal("a", "go", 1);
        CHECK(world.wait("a").output == numbers(4));
    });
}

TEST_CASE("signals: to one that has ended is told to the sender [event_after_completion_is_ignored]") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx&, Json) -> Task<Json> { co_return Json(); });
        world.start_process();
        run(world, "a", "o");
        const auto late = world.await(world.client().signal("a", "word", 1));
        CHECK(late.error().code == "orchestration_finished");
        CHECK(late.error().kind == ErrorKind::conflict);
    });
}

TEST_CASE("signals: to one that never was is told to the sender [events_enqueued_before_start_are_dropped]") {
    everywhere([](World& world) {
        world.start_process();
        const auto lost = world.await(world.client().signal("nobody", "word", 1));
        CHECK(lost.error().code == "orchestration_not_found");
        CHECK(lost.error().kind == ErrorKind::not_found);
    });
}

TEST_CASE("signals: without a payload [empty_external_event_data]") {
    everywhere([](World& world) {
        define(world, "o", collects);
        world.start_process();
        begin(world, "a", "o", 2);
        world.signal("a", "word", Json());
        world.signal("a", "word", Json::object());
        CHECK(world.wait("a").status == Status::completed);
    });
}

TEST_CASE("signals: reach an orchestration of another process") {
    everywhere([](World& world) {
        define(world, "o", collects);
        auto& a = world.start_process();
        auto& b = world.start_process();
        world.until([&] { return a.host->owned_shards() == 32 && b.host->owned_shards() == 32; });
        for (int i = 0; i < 8; ++i) begin(world, fmt::format("s{}", i), "o", 1);
        for (int i = 0; i < 8; ++i) world.signal(fmt::format("s{}", i), "word", 0);
        for (int i = 0; i < 8; ++i) CHECK(world.wait(fmt::format("s{}", i)).output == numbers(1));
    });
}
