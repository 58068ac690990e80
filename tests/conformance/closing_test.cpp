// What becomes of children when their parent ends, drops them or is cancelled, and of the parent when they are.
#include "kit.hpp"

#include <fmt/format.h>

using namespace toygres;
using namespace toygres::test;

namespace {

using Kid = Named<"kid">;
using Patient = Named<"patient">;

Task<Json> waits(Ctx& ctx, Json) { co_return co_await ctx.wait<Json>("grow"); }
Task<Json> asks_patient(Ctx& ctx, Json) { co_return co_await ctx.child<Patient>(1, {.id = "p"}); }

void with_kids(Code parent, const std::function<void(World&)>& test, Code kid = waits) {
    everywhere([&](World& world) {
        define(world, "o", parent);
        define(world, "kid", kid);
        define(world, "patient", waits);
        world.start_process();
        test(world);
    });
}

}  // namespace

TEST_CASE("children: one that is dropped is cancelled [explicit_drop_sub_orchestration_cancelled]") {
    with_kids(
        [](Ctx& ctx, Json) -> Task<Json> {
            {
                auto dropped = ctx.child<Patient>(1, {.id = "p"});
            }
            co_await ctx.sleep(1ms);
            co_return Json("done");
        },
        [](World& world) {
            CHECK(run(world, "a", "o").output == "done");
            CHECK(world.wait("p").status == Status::cancelled);
        });
}

TEST_CASE("children: close policy cancel, the parent completes") {
    with_kids(
        [](Ctx& ctx, Json) -> Task<Json> {
            auto open = ctx.child<Patient>(1, {.id = "p", .close = ClosePolicy::cancel});
            co_await ctx.sleep(5ms);
            co_return Json("done");
        },
        [](World& world) {
            run(world, "a", "o");
            CHECK(world.wait("p").status == Status::cancelled);
        });
}

TEST_CASE("children: close policy cancel, the parent fails") {
    with_kids(
        [](Ctx& ctx, Json) -> Task<Json> {
            auto open = ctx.child<Patient>(1, {.id = "p"});
            co_await ctx.sleep(5ms);
            raise(ErrorKind::invalid, "no", "no");
        },
        [](World& world) {
            CHECK(run(world, "a", "o").status == Status::failed);
            CHECK(world.wait("p").status == Status::cancelled);
        });
}

TEST_CASE("children: close policy cancel, the parent continues as new") {
    with_kids(
        [](Ctx& ctx, Json in) -> Task<Json> {
            if (!in.is_null()) co_return Json("second");
            auto open = ctx.child<Patient>(1, {.id = "p"});
            co_await ctx.sleep(5ms);
            ctx.continue_as_new(Json(1));
        },
        [](World& world) {
            CHECK(run(world, "a", "o").output == "second");
            CHECK(world.wait("p").status == Status::cancelled);
        });
}

TEST_CASE("children: close policy cancel, the parent is terminated") {
    with_kids(asks_patient, [](World& world) {
        begin(world, "a", "o");
        reach(world, "p", Status::running);
        value_or_raise(world.await(world.client().terminate("a", "now")));
        CHECK(world.wait("a").status == Status::terminated);
        CHECK(world.wait("p").status == Status::cancelled);
    });
}

TEST_CASE("children: close policy abandon, however the parent ends") {
    with_kids(
        [](Ctx& ctx, Json how) -> Task<Json> {
            auto open = ctx.child<Patient>(1, {.id = ctx.id() + "-p", .close = ClosePolicy::abandon});
            if (how == "wait") co_await std::move(open);
            co_await ctx.sleep(1ms);
            if (how == "fail") raise(ErrorKind::invalid, "no", "no");
            co_return Json();
        },
        [](World& world) {
            CHECK(run(world, "b", "o", "fail").status == Status::failed);
            begin(world, "c", "o", "wait");
            reach(world, "c-p", Status::running);
            value_or_raise(world.await(world.client().terminate("c", "now")));
            world.wait("c");
            pass(world, 10ms);
            CHECK(get(world, "c-p").status == Status::running);
            world.signal("c-p", "grow", "alone");
            CHECK(world.wait("c-p").output == "alone");
        });
}

TEST_CASE("children: one that is cancelled tells its parent [cancel_child_directly_signals_parent]") {
    with_kids(
        [](Ctx& ctx, Json) -> Task<Json> {
            const auto got = co_await ctx.attempt(ctx.child<Patient>(1, {.id = "p"}));
            co_return std::string(to_string(got.error().kind));
        },
        [](World& world) {
            begin(world, "a", "o");
            reach(world, "p", Status::running);
            world.cancel("p");
            CHECK(world.wait("a").output == "cancelled");
        });
}

TEST_CASE("children: one that is terminated tells its parent") {
    with_kids(
        [](Ctx& ctx, Json) -> Task<Json> {
            co_return (co_await ctx.attempt(ctx.child<Patient>(1, {.id = "p"}))).error().code;
        },
        [](World& world) {
            begin(world, "a", "o");
            reach(world, "p", Status::running);
            value_or_raise(world.await(world.client().terminate("p", "now")));
            CHECK(world.wait("a").output == "terminated");
        });
}

TEST_CASE("children: a cancelled parent waits for all of its children [cancel_parent_with_multiple_children]") {
    with_kids(
        [](Ctx& ctx, Json) -> Task<Json> {
            std::vector<Future<Json>> all;
            for (int i = 0; i < 3; ++i) all.push_back(ctx.child<Patient>(1, {.id = fmt::format("p{}", i)}));
            co_return Json(co_await ctx.all(std::move(all)));
        },
        [](World& world) {
            begin(world, "a", "o");
            for (int i = 0; i < 3; ++i) reach(world, fmt::format("p{}", i), Status::running);
            world.cancel("a");
            CHECK(world.wait("a").status == Status::cancelled);
            for (int i = 0; i < 3; ++i) CHECK(world.wait(fmt::format("p{}", i)).status == Status::cancelled);
        });
}

TEST_CASE("children: cancellation goes down to the last [cancel_parent_down_propagates_to_child]") {
    with_kids([](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.child<Kid>(3, {.id = "k3"}); },
              [](World& world) {
                  begin(world, "a", "o");
                  reach(world, "k0", Status::running);
                  world.cancel("a");
                  for (const auto* id : {"a", "k3", "k2", "k1", "k0"})
                      CHECK(world.wait(id).status == Status::cancelled);
              },
              [](Ctx& ctx, Json depth) -> Task<Json> {
                  if (depth == 0) co_return co_await ctx.wait<Json>("never");
                  const int next = depth.get<int>() - 1;
                  co_return co_await ctx.child<Kid>(next, {.id = fmt::format("k{}", next)});
              });
}
