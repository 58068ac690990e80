// What happens to, and around, an orchestration whose code does not match its history.
#include "kit.hpp"

using namespace toygres;
using namespace toygres::test;

namespace {

Task<Json> right(Ctx& ctx, Json) {
    co_await ctx.call<Echo>(1);
    Json out = Json::array();
    for (int i = 0; i < 3; ++i) out.push_back(co_await ctx.wait<Json>("go"));
    co_return out;
}
Task<Json> wrong(Ctx& ctx, Json) {
    co_await ctx.sleep(1ms);
    co_return Json();
}
Task<Json> also_wrong(Ctx& ctx, Json) {
    co_await ctx.transact<Add>(1);
    co_return Json();
}

void park_with(World& world, Code recorded, Code released) {
    deploy(world, "o", recorded);
    begin(world, "a", "o");
    world.until_recorded("a", EventKind::wait_started);
    deploy(world, "o", released);
    parked(world, "a");
}

}  // namespace

TEST_CASE("parking: signals to a parked orchestration are kept in order") {
    everywhere([](World& world) {
        park_with(world, right, wrong);
        for (int i = 0; i < 3; ++i) world.signal("a", "go", i);
        parked(world, "a");
        deploy(world, "o", right);
        CHECK(world.wait("a").output == Json{0, 1, 2});
    });
}

TEST_CASE("parking: a cancellation of a parked orchestration is kept") {
    everywhere([](World& world) {
        park_with(world, right, wrong);
        world.cancel("a");
        parked(world, "a");
        deploy(world, "o", right);
        CHECK(world.wait("a").status == Status::cancelled);
    });
}

TEST_CASE("parking: a parked orchestration can be terminated") {
    everywhere([](World& world) {
        park_with(world, right, wrong);
        value_or_raise(world.await(world.client().terminate("a", "away with it")));
        const auto row = world.wait("a");
        CHECK(row.status == Status::terminated);
        CHECK(row.error.at("code") == "terminated");
        CHECK(world.kinds("a").ends_with(" failed"));
    });
}

TEST_CASE("parking: the reason is that of the present code") {
    everywhere([](World& world) {
        park_with(world, right, wrong);
        CHECK(parked(world, "a").ends_with("the code does timer_created"));
        deploy(world, "o", also_wrong);
        world.until([&] { return parked(world, "a").ends_with("the code does step_scheduled add"); });
        CHECK(balance(world, "a") == 0);
    });
}

TEST_CASE("parking: others of the same code that do match go on [execution_isolation]") {
    everywhere([](World& world) {
        park_with(world, right, wrong);
        for (int i = 0; i < 5; ++i) CHECK(run(world, "n" + std::to_string(i), "o").status == Status::completed);
        CHECK(world.running().host->stuck_count() == 1);
        CHECK(get(world, "a").status == Status::stuck);
    });
}

TEST_CASE("parking: an activity that was under way is run again by the right code") {
    everywhere([](World& world) {
        const Code holds = [](Ctx& ctx, Json) -> Task<Json> {
            auto held = ctx.call<Hold>("kept");
            co_await ctx.wait<Json>("go");
            co_return co_await std::move(held);
        };
        park_with(world, holds, wrong);
        lab().open = true;
        deploy(world, "o", holds);
        world.signal("a", "go", 1);
        CHECK(world.wait("a").output == "kept");
    });
}

TEST_CASE("parking: a timer that came due meanwhile fires with the right code") {
    everywhere([](World& world) {
        const Code sleeps = [](Ctx& ctx, Json) -> Task<Json> {
            auto slept = ctx.sleep(30ms);
            auto said = ctx.wait<Json>("go");
            co_await std::move(slept);
            co_return co_await std::move(said);
        };
        park_with(world, sleeps, wrong);
        pass(world, 40ms);
        parked(world, "a");
        deploy(world, "o", sleeps);
        world.signal("a", "go", 1);
        CHECK(world.wait("a").output == 1);
    });
}

TEST_CASE("parking: a child that ended meanwhile is answered with the right code") {
    everywhere([](World& world) {
        const Code parent = [](Ctx& ctx, Json) -> Task<Json> {
            auto said = ctx.wait<Json>("never");
            co_return co_await ctx.child<Named<"kid">>(1, {.id = "k"});
        };
        const Code kid = [](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.wait<Json>("grow"); };
        deploy(world, "o", parent);
        define(world, "kid", kid);
        begin(world, "a", "o");
        reach(world, "k", Status::running);
        deploy(world, "o", wrong);
        define(world, "kid", kid);
        parked(world, "a");
        world.signal("k", "grow", "up");
        CHECK(world.wait("k").status == Status::completed);
        deploy(world, "o", parent);
        CHECK(world.wait("a").output == "up");
    });
}

TEST_CASE("parking: a step that committed before is not run again") {
    everywhere([](World& world) {
        const Code steps = [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.transact<Add>(5);
            co_return co_await ctx.wait<Json>("go");
        };
        park_with(world, steps, wrong);
        deploy(world, "o", steps);
        world.signal("a", "go", 1);
        CHECK(world.wait("a").status == Status::completed);
        CHECK(balance(world, "a") == 5);
    });
}

TEST_CASE("parking: code that tries again whatever happens is parked too, and holds up nobody") {
    everywhere([](World& world) {
        park_with(world, right, [](Ctx& ctx, Json) -> Task<Json> {
            for (;;) {
                auto tried = [](Ctx& c) -> Task<Json> {
                    std::vector<Future<Json>> both;
                    for (int i = 0; i < 2; ++i) both.push_back(c.call<Flaky>(0));
                    co_await c.all(std::move(both));
                    co_return Json();
                };
                if (co_await ctx.attempt(tried(ctx))) break;
            }
            co_return Json();
        });
        deploy(world, "o", right);
        for (int i = 0; i < 3; ++i) world.signal("a", "go", i);
        CHECK(world.wait("a").status == Status::completed);
    });
}

TEST_CASE("parking: a parked orchestration can be listed by its status") {
    everywhere([](World& world) {
        park_with(world, right, wrong);
        const auto rows = value_or_raise(world.await(world.client().list({.status = Status::stuck})));
        REQUIRE(rows.size() == 1);
        CHECK(rows[0].id == "a");
        CHECK(world.await(world.client().wait("a", 1ms)).error().code == "still_running");
    });
}
