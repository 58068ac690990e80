// What goes by the rules of retention, and what never does.
#include "world.hpp"

using namespace toygres;
using namespace toygres::test;

namespace {

struct Count {
    int value;
};
BOOST_DESCRIBE_STRUCT(Count, (), (value))

struct CountsDown {
    static constexpr std::string_view name = "counts_down";
    static constexpr int version = 1;
    using Input = Count;
    using Output = Count;
    static Task<Count> run(OrchestrationContext& ctx, Count in) {
        co_await ctx.sleep(1ms);
        if (in.value == 0) co_await ctx.wait<Json>("end");
        if (in.value > 0) ctx.continue_as_new(Count{in.value - 1});
        co_return in;
    }
};

struct HasChild {
    static constexpr std::string_view name = "has_child";
    static constexpr int version = 1;
    using Input = Count;
    using Output = Count;
    static Task<Count> run(OrchestrationContext& ctx, Count) {
        const auto out = co_await ctx.child<CountsDown>({-1}, {.id = "child"});
        co_await ctx.wait<Json>("end");
        co_return out;
    }
};

void with_process(const std::function<void(World&)>& test) {
    on_every_store([&](World& world) {
        world.orchestrations.add<CountsDown>();
        world.orchestrations.add<HasChild>();
        world.start_process();
        test(world);
    });
}

Pruned prune(World& world, std::vector<Retention> rules) {
    return value_or_raise(world.await(world.client().prune(std::move(rules))));
}

void until_execution(World& world, const std::string& id, std::int64_t execution) {
    // Each look lets the processes run.
    while (value_or_raise(world.await(world.client().get(id))).execution < execution) continue;
}

bool exists(World& world, const std::string& id) { return world.await(world.client().get(id)).has_value(); }

template <class O> void begin(World& world, const std::string& id, typename O::Input input) {
    world.start({.id = id, .name = std::string(O::name), .input = encode(input)});
}

}  // namespace

TEST_CASE(
    "retention: of an orchestration that goes on as new the newest executions stay, and it goes on [prune_safety]") {
    with_process([](World& world) {
        begin<CountsDown>(world, "a", {9});
        until_execution(world, "a", 10);
        CHECK(prune(world, {{"", 3, 24h}}).turns > 0);
        for (int execution = 1; execution <= 10; ++execution) {
            INFO(execution);
            CHECK(world.history("a", execution).empty() == (execution <= 7));
        }
        CHECK(prune(world, {{"", 3, 24h}}).turns == 0);
        world.signal("a", "end", {});
        CHECK(world.wait("a").status == Status::completed);
    });
}

TEST_CASE(
    "retention: what has ended goes whole when it is old enough, and its id is free [delete_terminal_instances]") {
    with_process([](World& world) {
        CHECK(world.run<CountsDown>("a", {-1}).status == Status::completed);
        CHECK(prune(world, {{"", 3, 24h}}).orchestrations == 0);
        CHECK(exists(world, "a"));
        CHECK(prune(world, {{"", 3, 0min}}).orchestrations == 1);
        CHECK_FALSE(exists(world, "a"));
        CHECK(world.run<CountsDown>("a", {-1}).status == Status::completed);
    });
}

TEST_CASE("retention: what runs stays, however old [delete_running_rejected]") {
    with_process([](World& world) {
        begin<CountsDown>(world, "a", {0});
        world.until_recorded("a", EventKind::wait_started);
        CHECK(prune(world, {{"", 1, 0min}}).orchestrations == 0);
        world.signal("a", "end", {});
        CHECK(world.wait("a").status == Status::completed);
    });
}

TEST_CASE("retention: a child stays for as long as its parent goes on [delete_instances_atomic_orphan_detection]") {
    with_process([](World& world) {
        begin<HasChild>(world, "a", {0});
        world.until_recorded("a", EventKind::wait_started);
        CHECK(prune(world, {{"", 1, 0min}}).orchestrations == 0);
        CHECK(exists(world, "child"));
        world.signal("a", "end", {});
        CHECK(world.wait("a").status == Status::completed);
        CHECK(prune(world, {{"", 1, 0min}}).orchestrations == 2);
    });
}

TEST_CASE("retention: each type by its own rule, none without one [prune_options_combinations]") {
    with_process([](World& world) {
        world.run<CountsDown>("a", {-1});
        CHECK(prune(world, {{"has_child", 1, 0min}}).orchestrations == 0);
        CHECK(prune(world, {{"", 1, 0min}, {"counts_down", 1, 24h}}).orchestrations == 0);
        CHECK(prune(world, {{"", 1, 24h}, {"counts_down", 1, 0min}}).orchestrations == 1);
    });
}

TEST_CASE("retention: more than a batch goes in one call, and work goes on meanwhile [prune_bulk]") {
    with_process([](World& world) {
        for (int i = 0; i < 520; ++i) begin<CountsDown>(world, "many-" + std::to_string(i), {-1});
        for (int i = 0; i < 520; ++i) world.wait("many-" + std::to_string(i));
        CHECK(prune(world, {{"", 1, 0min}}).orchestrations == 520);
        CHECK(world.run<CountsDown>("after", {-1}).status == Status::completed);
    });
}
