// Children: their results come back to the execution that asked, whoever continued as new meanwhile.
#include "kit.hpp"

#include <fmt/format.h>

using namespace toygres;
using namespace toygres::test;

namespace {

using Kid = Named<"kid">;
using Patient = Named<"patient">;

Task<Json> doubles(Ctx&, Json in) { co_return in.get<int>() * 2; }
Task<Json> waits(Ctx& ctx, Json) { co_return co_await ctx.wait<Json>("grow"); }
Task<Json> fails(Ctx&, Json) {
    raise(ErrorKind::conflict, "spoiled", "the milk is sour", {{"day", 3}});
    co_return Json();
}
Task<Json> counts_down(Ctx& ctx, Json in) {
    co_await ctx.sleep(1ms);
    if (in == 0) co_return ctx.execution();
    ctx.continue_as_new(Json(in.get<int>() - 1));
}

void with_kids(Code parent, const std::function<void(World&)>& test, Code kid = doubles) {
    everywhere([&](World& world) {
        define(world, "o", parent);
        define(world, "kid", kid);
        define(world, "patient", waits);
        world.start_process();
        test(world);
    });
}

Task<Json> asks_patient(Ctx& ctx, Json) { co_return co_await ctx.child<Patient>(1, {.id = "p"}); }

}  // namespace

TEST_CASE("children: a result comes back [invoke]") {
    with_kids([](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.child<Kid>(21); },
              [](World& world) { CHECK(run(world, "a", "o").output == 42); });
}

TEST_CASE("children: are known by their parent, execution and position [auto_instance_id]") {
    with_kids([](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.child<Kid>(1); },
              [](World& world) {
                  run(world, "a", "o");
                  const auto row = get(world, "a/1.2");
                  CHECK(row.parent == Parent{"a", 1, 2});
                  CHECK(row.status == Status::completed);
              });
}

TEST_CASE("children: an id of one's own is kept [explicit_instance_preserved]") {
    with_kids([](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.child<Kid>(1, {.id = "mine"}); },
              [](World& world) {
                  run(world, "a", "o");
                  CHECK(get(world, "mine").output == 2);
              });
}

TEST_CASE("children: many of one parent have ids of their own [multiple_sub_orchs_unique_ids]") {
    with_kids(
        [](Ctx& ctx, Json) -> Task<Json> {
            std::vector<Future<Json>> all;
            for (int i = 0; i < 20; ++i) all.push_back(ctx.child<Kid>(i));
            int sum = 0;
            for (const auto& one : co_await ctx.all(std::move(all))) sum += one.get<int>();
            co_return sum;
        },
        [](World& world) { CHECK(run(world, "a", "o").output == 380); });
}

TEST_CASE("children: a failure comes back with its code and details [sub_orch_app_error_propagates]") {
    with_kids(
        [](Ctx& ctx, Json) -> Task<Json> {
            const auto got = co_await ctx.attempt(ctx.child<Kid>(1));
            co_return Json{got.error().code, got.error().message, got.error().details};
        },
        [](World& world) { CHECK(run(world, "a", "o").output == Json{"spoiled", "the milk is sour", {{"day", 3}}}); },
        fails);
}

TEST_CASE("children: a failure that nobody handles ends the parent with it") {
    with_kids([](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.child<Kid>(1); },
              [](World& world) {
                  const auto row = run(world, "a", "o");
                  CHECK(row.status == Status::failed);
                  CHECK(row.error.at("code") == "spoiled");
              },
              fails);
}

TEST_CASE("children: a child that failed is tried again under another id") {
    with_kids(
        [](Ctx& ctx, Json) -> Task<Json> {
            for (int tries = 1;; ++tries)
                if (auto got = co_await ctx.attempt(ctx.child<Kid>(tries))) co_return *std::move(got);
        },
        [](World& world) { CHECK(run(world, "a", "o").output == "third"); },
        [](Ctx&, Json tries) -> Task<Json> {
            if (tries.get<int>() < 3) raise(ErrorKind::transient, "again", "again");
            co_return Json("third");
        });
}

TEST_CASE("children: of children of children [sample_sub_orchestration_chained]") {
    with_kids([](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.child<Kid>(3); },
              [](World& world) {
                  CHECK(run(world, "a", "o").output == 3);
                  CHECK(get(world, "a/1.2/1.2/1.2/1.2").status == Status::completed);
              },
              [](Ctx& ctx, Json depth) -> Task<Json> {
                  if (depth == 0) co_return 0;
                  co_return 1 + (co_await ctx.child<Kid>(depth.get<int>() - 1)).get<int>();
              });
}

TEST_CASE("children: a child that continues as new answers when it ends [hazard: loses its parent link]") {
    with_kids([](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.child<Kid>(4); },
              [](World& world) { CHECK(run(world, "a", "o").output == 5); }, counts_down);
}

TEST_CASE("children: a child that continues as new answers after a crash in between") {
    with_kids([](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.child<Kid>(1, {.id = "k"}); },
              [](World& world) {
                  begin(world, "a", "o");
                  world.until([&] {
                      const auto row = world.await(world.client().get("k"));
                      return row && row->execution == 2;
                  });
                  crash(world);
                  world.signal("k", "grow", "up");
                  CHECK(world.wait("a").output == "up");
              },
              [](Ctx& ctx, Json in) -> Task<Json> {
                  if (in == 1) ctx.continue_as_new(Json(2));
                  co_return co_await ctx.wait<Json>("grow");
              });
}

TEST_CASE("children: a parent in its third execution gets the answer [hazard: wrong parent execution]") {
    with_kids(
        [](Ctx& ctx, Json in) -> Task<Json> {
            const int round = in.is_null() ? 1 : in.get<int>();
            if (round < 3) ctx.continue_as_new(Json(round + 1));
            co_return co_await ctx.child<Patient>(1, {.id = "p"});
        },
        [](World& world) {
            begin(world, "a", "o");
            reach(world, "p", Status::running);
            crash(world);
            world.signal("p", "grow", "up");
            const auto row = world.wait("a");
            CHECK(row.output == "up");
            CHECK(row.execution == 3);
        });
}

TEST_CASE("children: the answer to a former execution is not for the present one [execution_id_filtering]") {
    with_kids(
        [](Ctx& ctx, Json in) -> Task<Json> {
            if (in.is_null()) {
                auto left = ctx.child<Patient>(1, {.id = "old", .close = ClosePolicy::abandon});
                co_await ctx.sleep(1ms);
                ctx.continue_as_new(Json(2));
            }
            co_await ctx.wait<Json>("ready");
            co_return co_await ctx.child<Patient>(2, {.id = "new", .close = ClosePolicy::abandon});
        },
        [](World& world) {
            begin(world, "a", "o");
            world.until([&] { return get(world, "a").execution == 2; });
            reach(world, "old", Status::running);
            world.signal("a", "ready", 1);
            reach(world, "new", Status::running);
            world.signal("old", "grow", "old answer");
            world.wait("old");
            world.signal("new", "grow", "new answer");
            CHECK(world.wait("a").output == "new answer");
        });
}

TEST_CASE("children: ids do not repeat over executions [hazard: auto child ids repeat]") {
    with_kids(
        [](Ctx& ctx, Json in) -> Task<Json> {
            const int round = in.is_null() ? 1 : in.get<int>();
            const auto got = co_await ctx.child<Kid>(round);
            if (round == 4) co_return got;
            ctx.continue_as_new(Json(round + 1));
        },
        [](World& world) {
            CHECK(run(world, "a", "o").output == 8);
            for (int round = 1; round <= 4; ++round)
                CHECK(get(world, fmt::format("a/{}.2", round)).status == Status::completed);
        });
}

TEST_CASE("children: an id that was used before fails, the earlier one is left alone") {
    with_kids(
        [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.child<Kid>(1, {.id = "once"});
            co_return (co_await ctx.attempt(ctx.child<Kid>(2, {.id = "once"}))).error().code;
        },
        [](World& world) {
            CHECK(run(world, "a", "o").output == "orchestration_exists");
            CHECK(get(world, "once").output == 2);
        });
}

TEST_CASE("children: dropping one whose id is somebody else's leaves that one alone") {
    with_kids(
        [](Ctx& ctx, Json) -> Task<Json> {
            {
                auto dropped = ctx.child<Kid>(1, {.id = "p"});
            }
            co_await ctx.sleep(5ms);
            co_return Json();
        },
        [](World& world) {
            begin(world, "p", "patient");
            world.until_recorded("p", EventKind::wait_started);
            CHECK(run(world, "a", "o").status == Status::completed);
            pass(world, 10ms);
            world.signal("p", "grow", "undisturbed");
            CHECK(world.wait("p").output == "undisturbed");
        });
}

TEST_CASE("children: of a name that nobody knows is parked, the parent waits until it is known") {
    with_kids([](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.child<Named<"later">>(4, {.id = "l"}); },
              [](World& world) {
                  begin(world, "a", "o");
                  CHECK(parked(world, "l").starts_with("unknown_orchestration"));
                  CHECK(get(world, "a").status == Status::running);
                  world.stop(world.running());
                  define(world, "later", doubles);
                  world.start_process();
                  CHECK(world.wait("a").output == 8);
              });
}

TEST_CASE("children: parent and child in different processes, which change hands") {
    with_kids(asks_patient, [](World& world) {
        begin(world, "a", "o");
        reach(world, "p", Status::running);
        auto& other = world.start_process();
        world.until([&] { return other.host->owned_shards() == 32; });
        world.kill(*world.processes.front());
        world.until([&] { return other.host->owned_shards() == shard_count; });
        world.signal("p", "grow", "up");
        CHECK(world.wait("a").output == "up");
    });
}

TEST_CASE("children: of many parents that do alike, whose answers are committed together") {
    with_kids(
        [](Ctx& ctx, Json in) -> Task<Json> {
            const auto first = co_await ctx.child<Kid>(in);
            co_return first.get<int>() + (co_await ctx.child<Kid>(in)).get<int>();
        },
        [](World& world) {
            for (int i = 0; i < 60; ++i) begin(world, fmt::format("m{}", i), "o", i);
            for (int i = 0; i < 60; ++i) CHECK(world.wait(fmt::format("m{}", i)).output == 4 * i);
        });
}
