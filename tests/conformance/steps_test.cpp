// Transactional steps: the change and the knowledge of it commit together.
#include "kit.hpp"

#include <fmt/format.h>

using namespace toygres;
using namespace toygres::test;

namespace {

constexpr pg::Query end_session{"test.end_session", "SELECT pg_terminate_backend(pg_backend_pid())"};

// Loses its session in the middle, the first time.
asio::awaitable<Json> add_and_lose(StepContext& ctx, Json in) {
    const bool first = ++lab().runs["add_and_lose"] == 1;
    if (first && !lab().on_sql) raise(ErrorKind::transient, "database_unavailable", "the session is gone");
    if (first) value_or_raise(co_await ctx.sql().execute(end_session));
    const auto id = ctx.orchestration();
    const int amount = in.get<int>();
    if (lab().on_sql)
        value_or_raise(co_await ctx.sql().execute({"test.add_late", "INSERT INTO balances VALUES ($1, $2)"},
                                                  pg::params(id, amount)));
    ctx.on_commit([id, amount] { lab().balance[id] += amount; });
    co_return in;
}

Task<Json> adds_twice(Ctx& ctx, Json) {
    co_await ctx.transact<Add>(1);
    co_return co_await ctx.transact<Add>(2);
}

void with_steps(Code code, const std::function<void(World&)>& test) {
    everywhere([&](World& world) {
        define(world, "o", code);
        step(world, "add_and_lose", add_and_lose);
        world.start_process();
        test(world);
    });
}

}  // namespace

TEST_CASE("steps: commit once each, in their order") {
    with_steps(adds_twice, [](World& world) {
        CHECK(run(world, "a", "o").output == 2);
        CHECK(balance(world, "a") == 3);
        CHECK(world.kinds("a") == "started step_scheduled step_completed step_scheduled step_completed completed");
    });
}

TEST_CASE("steps: a refusal is a typed failure with its details, and leaves nothing") {
    with_steps(
        [](Ctx& ctx, Json) -> Task<Json> {
            const auto got = co_await ctx.attempt(ctx.transact<Refuse>(100));
            co_return Json{got.error().code, got.error().details, std::string(to_string(got.error().kind))};
        },
        [](World& world) {
            CHECK(run(world, "a", "o").output == Json{"refused", {{"why", "it is late"}}, "conflict"});
            CHECK(balance(world, "a") == 0);
            CHECK(lab().runs["add"] == 1);
        });
}

TEST_CASE("steps: after a refusal the orchestration may do better") {
    with_steps(
        [](Ctx& ctx, Json) -> Task<Json> {
            co_await ctx.attempt(ctx.transact<Refuse>(100));
            co_return co_await ctx.transact<Add>(7);
        },
        [](World& world) {
            CHECK(run(world, "a", "o").output == 7);
            CHECK(balance(world, "a") == 7);
        });
}

TEST_CASE("steps: a session lost in the middle is no failure, and nothing counts twice") {
    with_steps([](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.transact<Named<"add_and_lose">>(4); },
               [](World& world) {
                   CHECK(run(world, "a", "o").output == 4);
                   CHECK(balance(world, "a") == 4);
                   CHECK(lab().runs["add_and_lose"] == 2);
               });
}

TEST_CASE("steps: many at once commit once each") {
    with_steps(
        [](Ctx& ctx, Json) -> Task<Json> {
            std::vector<Future<Json>> all;
            for (int i = 0; i < 25; ++i) all.push_back(ctx.transact<Add>(1));
            co_return (co_await ctx.all(std::move(all))).size();
        },
        [](World& world) {
            CHECK(run(world, "a", "o").output == 25);
            CHECK(balance(world, "a") == 25);
        });
}

TEST_CASE("steps: one that nobody waits for any more leaves the orchestration in peace") {
    with_steps(
        [](Ctx& ctx, Json) -> Task<Json> {
            {
                auto dropped = ctx.transact<Add>(1);
            }
            co_await ctx.sleep(10ms);
            co_return Json("done");
        },
        [](World& world) {
            CHECK(run(world, "a", "o").output == "done");
            CHECK(balance(world, "a") <= 1);
        });
}

TEST_CASE("steps: a completion that waits in the inbox is taken in after a crash, the step is not run again") {
    with_steps(adds_twice, [](World& world) {
        for (int i = 0; i < 10; ++i) begin(world, fmt::format("s{}", i), "o");
        world.until([] { return lab().runs["add"] >= 5; });
        crash(world);
        for (int i = 0; i < 10; ++i) {
            CHECK(world.wait(fmt::format("s{}", i)).output == 2);
            CHECK(balance(world, fmt::format("s{}", i)) == 3);
        }
    });
}

TEST_CASE("steps: one that nobody knows parks the orchestration until it is known") {
    with_steps([](Ctx& ctx, Json) -> Task<Json> { co_return co_await ctx.transact<Named<"new_step">>(1); },
               [](World& world) {
                   begin(world, "a", "o");
                   CHECK(parked(world, "a") == "unknown_step: no step new_step is known to this release");
                   world.stop(world.running());
                   step(world, "new_step", [](StepContext&, Json in) -> asio::awaitable<Json> { co_return in; });
                   world.start_process();
                   CHECK(world.wait("a").output == 1);
               });
}
