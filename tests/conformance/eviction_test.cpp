// What is evicted from memory is replayed now and then, to learn early that it could not be had back.
#include "kit.hpp"
#include "metrics/metrics.hpp"

using namespace toygres;
using namespace toygres::test;

namespace {

double shadows(const char* outcome) {
    return metrics::counter("toygres_runtime_shadow_replays_total", "Evicted executions that were replayed to see",
                            {{"outcome", outcome}})
        .Value();
}

Task<Json> steady(Ctx& ctx, Json in) {
    co_await ctx.call<Echo>(in);
    co_return co_await ctx.wait<Json>("go");
}
// Calls with what it counted outside of its history.
Task<Json> fickle(Ctx& ctx, Json) {
    lab().seen.push_back(1);
    co_await ctx.call<Echo>(static_cast<int>(lab().seen.size()));
    co_return co_await ctx.wait<Json>("go");
}

void with_shadows(std::uint64_t percent, const std::function<void(World&)>& test) {
    everywhere([&](World& world) {
        if (world.options.evict_every_turn) return;
        world.options.live_max = 0;
        world.options.shadow_percent = percent;
        define(world, "steady", steady);
        define(world, "fickle", fickle);
        world.start_process();
        test(world);
    });
}

}  // namespace

TEST_CASE("eviction: what replays as it was is left alone") {
    with_shadows(100, [](World& world) {
        const auto same = shadows("same");
        const auto differs = shadows("differs");
        begin(world, "a", "steady", 1);
        world.until([&] { return shadows("same") > same; });
        world.signal("a", "go", 2);
        CHECK(world.wait("a").output == 2);
        CHECK(shadows("differs") == differs);
    });
}

TEST_CASE("eviction: code that would not replay is told of before it is needed") {
    with_shadows(100, [](World& world) {
        const auto differs = shadows("differs");
        begin(world, "a", "fickle");
        world.until([&] { return shadows("differs") > differs; });
    });
}

TEST_CASE("eviction: no shadow at zero percent") {
    with_shadows(0, [](World& world) {
        const auto before = shadows("same") + shadows("differs");
        begin(world, "a", "steady", 1);
        world.until_recorded("a", EventKind::wait_started);
        world.signal("a", "go", 2);
        CHECK(world.wait("a").output == 2);
        CHECK(shadows("same") + shadows("differs") == before);
    });
}
