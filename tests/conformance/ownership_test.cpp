#include "support/postgres.hpp"
#include "world.hpp"

#include <pqxx/pqxx>

using namespace toygres;
using namespace toygres::test;

namespace {

struct Number {
    int value;
};
BOOST_DESCRIBE_STRUCT(Number, (), (value))

// Counts commits by orchestration: in the store's own transaction for PostgreSQL, on commit for memory.
std::map<std::string, int> applied;
struct Apply {
    static constexpr std::string_view name = "apply";
    using Input = Number;
    using Output = Number;
    static asio::awaitable<Number> run(StepContext& ctx, Number in) {
        ctx.on_commit([id = ctx.orchestration()] { ++applied[id]; });
        co_return in;
    }
};

// Waits outside, so that a process can be stopped in the middle.
int slow_runs = 0;
bool gate_open = false;
struct Slow {
    static constexpr std::string_view name = "slow";
    using Input = Number;
    using Output = Number;
    static asio::awaitable<Number> run(ActivityContext&, Number in) {
        ++slow_runs;
        asio::steady_timer timer(co_await asio::this_coro::executor);
        while (!gate_open) {
            timer.expires_after(5ms);
            co_await timer.async_wait(asio::use_awaitable);
        }
        co_return in;
    }
};

struct Work {
    static constexpr std::string_view name = "work";
    static constexpr int version = 1;
    using Input = Number;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Number in) {
        co_await ctx.transact<Apply>(in);
        co_await ctx.call<Slow>(in);
        co_await ctx.transact<Apply>(in);
        co_await ctx.sleep(20ms);
        co_await ctx.transact<Apply>(in);
        co_return in;
    }
};

struct Fork {
    static constexpr std::string_view name = "fork";
    static constexpr int version = 1;
    using Input = Number;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Number in) {
        std::vector<Future<Number>> both;
        for (int i = 0; i < 2; ++i) both.push_back(ctx.call<Slow>(in));
        co_await ctx.all(std::move(both));
        co_return in;
    }
};

void prepare(World& world) {
    applied.clear();
    slow_runs = 0;
    gate_open = false;
    world.orchestrations.add<Work>();
    world.activities.add<Slow>();
    world.activities.add_step<Apply>();
}

void start_some(World& world, int count) {
    for (int i = 0; i < count; ++i)
        world.start({.id = fmt::format("w{}", i), .name = std::string(Work::name), .input = {{"value", i}}});
}

void check_all(World& world, int count) {
    for (int i = 0; i < count; ++i) {
        const auto id = fmt::format("w{}", i);
        const auto row = world.wait(id);
        CHECK(row.status == Status::completed);
        CHECK(
            world.kinds(id) ==
            "started step_scheduled step_completed activity_scheduled activity_completed step_scheduled step_completed "
            "timer_created timer_fired step_scheduled step_completed completed");
        CHECK(applied[id] == 3);
    }
}

}  // namespace

TEST_CASE("ownership: two processes share the shards evenly, and one takes all when the other leaves") {
    on_every_store([](World& world) {
        prepare(world);
        auto& a = world.start_process();
        world.until([&] { return a.host->owned_shards() == shard_count; });
        auto& b = world.start_process();
        world.until([&] { return a.host->owned_shards() == 32 && b.host->owned_shards() == 32; });
        gate_open = true;
        start_some(world, 40);
        check_all(world, 40);
        world.stop(a);
        world.until([&] { return b.host->owned_shards() == shard_count; });
    });
}

TEST_CASE("hand-over: who stays has everything as soon as another has left, long before it would look by itself") {
    on_every_store([](World& world) {
        prepare(world);
        world.options.lease = 3h;
        world.options.renewal = 1h;
        auto& a = world.start_process();
        world.until([&] { return a.host->owned_shards() == shard_count; });
        auto& b = world.start_process();
        world.until([&] { return a.host->owned_shards() == 32 && b.host->owned_shards() == 32; });
        auto& c = world.start_process();
        const auto all = [&] { return b.host->owned_shards() + c.host->owned_shards(); };
        world.until([&] { return all() + a.host->owned_shards() == shard_count && c.host->owned_shards() == 20; });
        world.stop(a);
        world.until([&] { return all() == shard_count; });
        world.stop(c);
        world.until([&] { return b.host->owned_shards() == shard_count; });
    });
}

TEST_CASE("takeover: when a process is killed the other finishes its work, each step once") {
    on_every_store([](World& world) {
        prepare(world);
        auto& a = world.start_process();
        start_some(world, 20);
        world.until([&] { return slow_runs == 20; });
        auto& b = world.start_process();
        world.kill(a);
        world.until([&] { return b.host->owned_shards() == shard_count; });
        gate_open = true;
        check_all(world, 20);
    });
}

TEST_CASE("takeover: open activities that the new owner does not know park the orchestration") {
    on_every_store([](World& world) {
        prepare(world);
        world.orchestrations.add<Fork>();
        auto& a = world.start_process();
        world.start({.id = "f", .name = "fork", .input = encode(Number{1})});
        world.until([&] { return slow_runs == 2; });
        world.kill(a);
        world.activities = {};
        world.start_process();
        auto row = value_or_raise(world.await(world.client().get("f")));
        const auto deadline = std::chrono::steady_clock::now() + 60s;
        while (row.status != Status::stuck && std::chrono::steady_clock::now() < deadline)
            row = value_or_raise(world.await(world.client().get("f")));
        REQUIRE(row.status == Status::stuck);
        CHECK(row.error.value("code", "") == "unknown_activity");
        CHECK(world.kinds("f") == "started activity_scheduled activity_scheduled");
        gate_open = true;
    });
}

TEST_CASE("fencing: a process that was stopped past its lease can write nothing when it wakes") {
    on_every_store([](World& world) {
        prepare(world);
        auto& a = world.start_process();
        start_some(world, 20);
        world.until([&] { return slow_runs == 20; });
        auto& b = world.start_process();
        world.freeze(a);
        gate_open = true;
        world.until([&] { return b.host->owned_shards() == shard_count; });
        world.thaw(a);  // it goes on where it was: results of activities, steps, commits
        check_all(world, 20);
        world.until([&] { return a.host->owned_shards() + b.host->owned_shards() == shard_count; });
    });
}

TEST_CASE("hand-over: a rolling restart loses nothing and repeats no step") {
    on_every_store([](World& world) {
        prepare(world);
        gate_open = true;
        auto* current = &world.start_process();
        for (int round = 0; round < 3; ++round) {
            for (int i = 0; i < 10; ++i)
                world.start({.id = fmt::format("w{}", round * 10 + i),
                             .name = std::string(Work::name),
                             .input = {{"value", i}}});
            auto& next = world.start_process();
            world.stop(*current);
            current = &next;
        }
        check_all(world, 30);
    });
}

TEST_CASE("database away: work pauses and goes on, nothing fails") {
    for (const bool evict : {false, true}) {
        log::set_level(log::Level::error);
        World world(StoreKind::memory, evict);
        prepare(world);
        auto& a = world.start_process();
        start_some(world, 20);
        world.until([&] { return slow_runs == 20; });
        a.memory->set_available(false);
        gate_open = true;
        world.until([&] { return !a.host->healthy(); });
        a.memory->set_available(true);
        check_all(world, 20);
        CHECK(slow_runs == 20);
    }
}

TEST_CASE("database restarted or sessions terminated under load: nothing fails, each step once") {
    for (const std::string how : {"terminate", "fast", "immediate"}) {
        INFO(how);
        log::set_level(log::Level::warning);
        World world(StoreKind::postgres, false);
        prepare(world);
        gate_open = true;
        world.start_process();
        start_some(world, 60);
        if (how == "terminate") {
            pqxx::connection connection(world.conninfo);
            for (int i = 0; i < 5; ++i) {
                pqxx::work work(connection);
                work.exec(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                    "AND application_name LIKE '" +
                    world.schema + "%'");
                work.commit();
                int turns = 0;
                world.until([&] { return ++turns > 20; });
            }
        } else {
            shared_postgres().restart(how);
        }
        check_all(world, 60);
    }
}
