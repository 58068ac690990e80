// Versions: running executions stay in theirs, new ones take the newest, and what a release does not know it parks.
#include "kit.hpp"

using namespace toygres;
using namespace toygres::test;

namespace {

// Each says its version, before and after a wait.
template <int version> Task<Json> speaks(Ctx& ctx, Json) {
    co_await ctx.call<Echo>(version);
    co_await ctx.wait<Json>("go");
    co_return version;
}
// Continues as new at every "next", and tells its version at "go".
template <int version> Task<Json> renews(Ctx& ctx, Json) {
    co_await ctx.call<Echo>(version);
    const auto said = co_await ctx.wait<Json>("go");
    if (said == "next") ctx.continue_as_new(Json());
    co_return version;
}

void also(World& world, const std::string& name, Code code, int version) {
    world.stop(world.running());
    define(world, name, code, version);
    world.start_process();
}

}  // namespace

TEST_CASE("versions: a start takes the newest [start_uses_latest_version]") {
    everywhere([](World& world) {
        define(world, "o", speaks<2>, 2);
        define(world, "o", speaks<10>, 10);
        define(world, "o", speaks<1>, 1);
        world.start_process();
        begin(world, "a", "o");
        world.signal("a", "go", 1);
        const auto row = world.wait("a");
        CHECK(row.output == 10);
        CHECK(row.version == 10);
    });
}

TEST_CASE("versions: one that runs stays in its own when a newer is released [code_swap]") {
    everywhere([](World& world) {
        define(world, "o", speaks<1>, 1);
        world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        also(world, "o", speaks<2>, 2);
        begin(world, "b", "o");
        world.signal("a", "go", 1);
        world.signal("b", "go", 1);
        CHECK(world.wait("a").output == 1);
        CHECK(world.wait("b").output == 2);
    });
}

TEST_CASE("versions: continue_as_new takes the newest [continue_as_new_upgrades_version_deterministically]") {
    everywhere([](World& world) {
        define(world, "o", renews<1>, 1);
        world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        also(world, "o", renews<2>, 2);
        world.signal("a", "go", "next");
        world.until([&] { return get(world, "a").execution == 2; });
        CHECK(get(world, "a").version == 2);
        world.signal("a", "go", "end");
        CHECK(world.wait("a").output == 2);
    });
}

TEST_CASE("versions: an execution that took the newest keeps it over a restart [vion_replay_bug]") {
    everywhere([](World& world) {
        define(world, "o", renews<1>, 1);
        world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        also(world, "o", renews<2>, 2);
        world.signal("a", "go", "next");
        world.until([&] { return get(world, "a").execution == 2; });
        world.until_recorded("a", EventKind::wait_started);
        also(world, "o", renews<3>, 3);
        world.signal("a", "go", "end");
        CHECK(world.wait("a").output == 2);
    });
}

TEST_CASE("versions: three at once, each with its own executions") {
    everywhere([](World& world) {
        define(world, "o", speaks<1>, 1);
        world.start_process();
        begin(world, "v1", "o");
        world.until_recorded("v1", EventKind::wait_started);
        also(world, "o", speaks<2>, 2);
        begin(world, "v2", "o");
        world.until_recorded("v2", EventKind::wait_started);
        also(world, "o", speaks<3>, 3);
        begin(world, "v3", "o");
        world.until_recorded("v3", EventKind::wait_started);
        restart(world);
        for (const auto* id : {"v3", "v1", "v2"}) world.signal(id, "go", 1);
        CHECK(world.wait("v1").output == 1);
        CHECK(world.wait("v2").output == 2);
        CHECK(world.wait("v3").output == 3);
    });
}

TEST_CASE("versions: one whose version was dropped is parked until it is back [unregistered version]") {
    everywhere([](World& world) {
        deploy(world, "o", speaks<1>, 1);
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        deploy(world, "o", speaks<2>, 2);
        CHECK(parked(world, "a") == "unknown_orchestration: no orchestration o version 1 is known to this release");
        world.signal("a", "go", 1);
        parked(world, "a");
        deploy(world, "o", speaks<1>, 1);
        CHECK(world.wait("a").output == 1);
    });
}

TEST_CASE("versions: a name that nobody knows is parked until it is known [unknown_orchestration_fails_with_poison]") {
    everywhere([](World& world) {
        world.start_process();
        begin(world, "a", "later");
        CHECK(parked(world, "a") == "unknown_orchestration: no orchestration later is known to this release");
        also(world, "later", [](Ctx&, Json) -> Task<Json> { co_return Json("now"); }, 1);
        CHECK(world.wait("a").output == "now");
    });
}

TEST_CASE("versions: a child takes the newest of its own [parent_calls_child_upgrade_child_and_verify_latest_used]") {
    everywhere([](World& world) {
        define(world, "o", [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.wait<Json>("go");
            co_return co_await ctx.child<Named<"kid">>(1);
        });
        define(world, "kid", [](Ctx&, Json) -> Task<Json> { co_return 1; }, 1);
        world.start_process();
        begin(world, "a", "o");
        world.until_recorded("a", EventKind::wait_started);
        also(world, "kid", [](Ctx&, Json) -> Task<Json> { co_return 2; }, 2);
        world.signal("a", "go", 1);
        CHECK(world.wait("a").output == 2);
    });
}

TEST_CASE("versions: a rolling upgrade, old and new process side by side [e2e_rolling_deployment_version_upgrade]") {
    everywhere([](World& world) {
        define(world, "o", speaks<1>, 1);
        auto& old = world.start_process();
        for (int i = 0; i < 6; ++i) begin(world, "r" + std::to_string(i), "o");
        for (int i = 0; i < 6; ++i) world.until_recorded("r" + std::to_string(i), EventKind::wait_started);
        define(world, "o", speaks<2>, 2);
        auto& newer = world.start_process();
        world.until([&] { return newer.host->owned_shards() == 32; });
        world.stop(old);
        for (int i = 0; i < 6; ++i) world.signal("r" + std::to_string(i), "go", 1);
        for (int i = 0; i < 6; ++i) CHECK(world.wait("r" + std::to_string(i)).output == 1);
    });
}
