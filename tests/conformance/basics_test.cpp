#include "world.hpp"

using namespace toygres;
using namespace toygres::test;

namespace {

struct Number {
    int value;
};
BOOST_DESCRIBE_STRUCT(Number, (), (value))

struct Double {
    static constexpr std::string_view name = "double";
    using Input = Number;
    using Output = Number;
    static asio::awaitable<Number> run(ActivityContext&, Number in) { co_return Number{in.value * 2}; }
};

struct FiveSteps {
    static constexpr std::string_view name = "five_steps";
    static constexpr int version = 1;
    using Input = Number;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Number in) {
        for (int i = 0; i < 5; ++i) in = co_await ctx.call<Double>(in);
        co_return in;
    }
};

struct FanOut {
    static constexpr std::string_view name = "fan_out";
    static constexpr int version = 1;
    using Input = Number;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Number in) {
        std::vector<Future<Number>> futures;
        for (int i = 0; i < in.value; ++i) futures.push_back(ctx.call<Double>({.value = i}));
        int sum = 0;
        for (const auto& n : co_await ctx.all(std::move(futures))) sum += n.value;
        co_return Number{sum};
    }
};

int flaky_calls = 0;
struct Flaky {
    static constexpr std::string_view name = "flaky";
    using Input = Number;
    using Output = Number;
    static asio::awaitable<Number> run(ActivityContext& ctx, Number in) {
        ++flaky_calls;
        if (ctx.attempt() <= in.value) raise(ErrorKind::transient, "not_yet", "try again");
        co_return Number{ctx.attempt()};
    }
};
struct CallsFlaky {
    static constexpr std::string_view name = "calls_flaky";
    static constexpr int version = 1;
    using Input = Number;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Number in) {
        co_return co_await ctx.call<Flaky>(in, {.attempts = 3, .initial_delay = 5ms});
    }
};

bool hung_was_stopped = false;
struct Hangs {
    static constexpr std::string_view name = "hangs";
    using Input = Number;
    using Output = Number;
    static asio::awaitable<Number> run(ActivityContext& ctx, Number in) {
        asio::steady_timer timer(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
        co_await timer.async_wait(use);
        hung_was_stopped = ctx.stop_token().stop_requested();
        co_return in;
    }
};
struct CallsHangs {
    static constexpr std::string_view name = "calls_hangs";
    static constexpr int version = 1;
    using Input = Number;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Number in) {
        co_return co_await ctx.call<Hangs>(in, {.attempts = 2, .initial_delay = 5ms, .start_to_close = 30ms});
    }
};
struct RacesHangs {
    static constexpr std::string_view name = "races_hangs";
    static constexpr int version = 1;
    using Input = Number;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Number in) {
        auto won = co_await ctx.any(ctx.call<Hangs>(in), ctx.sleep(20ms));
        co_return Number{static_cast<int>(won.index)};
    }
};

std::map<std::string, int> ledger;
struct Deposit {
    static constexpr std::string_view name = "deposit";
    using Input = Number;
    using Output = Number;
    static asio::awaitable<Number> run(StepContext& ctx, Number in) {
        if (in.value < 0) raise(ErrorKind::conflict, "overdrawn", "no");
        ctx.on_commit([id = ctx.orchestration(), value = in.value] { ledger[id] += value; });
        co_return in;
    }
};
struct Deposits {
    static constexpr std::string_view name = "deposits";
    static constexpr int version = 1;
    using Input = Number;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Number in) {
        co_await ctx.transact<Deposit>(in);
        co_await ctx.transact<Deposit>(in);
        co_return in;
    }
};

struct Sums {
    static constexpr std::string_view name = "sums";
    static constexpr int version = 1;
    using Input = Number;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Number in) {
        int sum = 0;
        for (int i = 0; i < in.value; ++i) sum += co_await ctx.wait<int>("add");
        co_return Number{sum};
    }
};

struct CountsDown {
    static constexpr std::string_view name = "counts_down";
    static constexpr int version = 1;
    using Input = Number;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Number in) {
        if (in.value == 0) co_return co_await ctx.call<Double>({.value = static_cast<int>(ctx.execution())});
        co_await ctx.sleep(1ms);
        ctx.continue_as_new(Number{in.value - 1});
    }
};

struct Parent1 {
    static constexpr std::string_view name = "parent";
    static constexpr int version = 1;
    using Input = Number;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Number in) {
        const auto a = co_await ctx.child<FiveSteps>(in);
        const auto b = co_await ctx.child<CountsDown>({.value = 3});
        co_return Number{a.value + b.value};
    }
};

struct ParentOfHanging {
    static constexpr std::string_view name = "parent_of_hanging";
    static constexpr int version = 1;
    using Input = Number;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Number in) {
        co_return co_await ctx.child<Sums>(in, {.id = ctx.id() + "-child"});
    }
};

struct Detaches {
    static constexpr std::string_view name = "detaches";
    static constexpr int version = 1;
    using Input = Number;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Number in) {
        co_await ctx.detach<FiveSteps>("detached", in);
        const auto again = co_await ctx.attempt(ctx.detach<FiveSteps>("detached", in, OnConflict::fail));
        const auto existing = co_await ctx.attempt(ctx.detach<FiveSteps>("detached", in, OnConflict::use_existing));
        co_return Number{(again ? 0 : 1) + (existing ? 10 : 0)};
    }
};

struct CleansUp {
    static constexpr std::string_view name = "cleans_up";
    static constexpr int version = 1;
    using Input = Number;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Number in) {
        const auto waited = co_await ctx.attempt(ctx.wait<int>("never"));
        auto shield = ctx.shield();
        co_await ctx.transact<Deposit>(in);
        throw ErrorException(waited.error());
    }
};

void register_all(World& world) {
    ledger.clear();
    auto& o = world.orchestrations;
    o.add<FiveSteps>();
    o.add<FanOut>();
    o.add<CallsFlaky>();
    o.add<CallsHangs>();
    o.add<RacesHangs>();
    o.add<Deposits>();
    o.add<Sums>();
    o.add<CountsDown>();
    o.add<Parent1>();
    o.add<ParentOfHanging>();
    o.add<Detaches>();
    o.add<CleansUp>();
    auto& a = world.activities;
    a.add<Double>();
    a.add<Flaky>();
    a.add<Hangs>();
    a.add_step<Deposit>();
}

StartRequest request(std::string id, std::string_view name, int value) {
    return {.id = std::move(id), .name = std::string(name), .input = {{"value", value}}};
}

}  // namespace

TEST_CASE("activities: five in sequence") {
    on_every_store([](World& world) {
        register_all(world);
        world.start_process();
        const auto row = world.run<FiveSteps>("a", {.value = 1});
        CHECK(row.status == Status::completed);
        CHECK(row.output == Json({{"value", 32}}));
        CHECK(world.history("a").size() == 12);
    });
}

TEST_CASE("activities: a fan-out of 300 is joined in order") {
    on_every_store([](World& world) {
        register_all(world);
        world.start_process();
        CHECK(world.run<FanOut>("a", {.value = 300}).output.at("value") == 299 * 300);
    });
}

TEST_CASE("activities: failed attempts are retried without turns, and recorded for audit") {
    on_every_store([](World& world) {
        register_all(world);
        world.start_process();
        const auto row = world.run<CallsFlaky>("a", {.value = 2});
        CHECK(row.output.at("value") == 3);
        const auto events = world.history("a");
        REQUIRE(events.size() == 4);
        CHECK(events[2].options.at("attempts").size() == 2);
        CHECK(events[2].options.at("attempts")[0].at("error").at("code") == "not_yet");
        const auto failed = world.run<CallsFlaky>("b", {.value = 9});
        CHECK(failed.status == Status::failed);
        CHECK(failed.error.at("code") == "not_yet");
    });
}

TEST_CASE("activities: an attempt that takes too long is stopped and tried again") {
    on_every_store([](World& world) {
        register_all(world);
        world.start_process();
        hung_was_stopped = false;
        const auto row = world.run<CallsHangs>("a", {.value = 1});
        CHECK(row.status == Status::failed);
        CHECK(row.error.at("code") == "activity_timeout");
        world.until([] { return hung_was_stopped; });
    });
}

TEST_CASE("any: the activity that lost gets its stop token") {
    on_every_store([](World& world) {
        register_all(world);
        world.start_process();
        hung_was_stopped = false;
        CHECK(world.run<RacesHangs>("a", {.value = 1}).output.at("value") == 1);
        world.until([] { return hung_was_stopped; });
    });
}

TEST_CASE("steps: each commits once, a refusal is a typed failure and leaves nothing") {
    on_every_store([](World& world) {
        register_all(world);
        world.start_process();
        CHECK(world.run<Deposits>("a", {.value = 5}).status == Status::completed);
        CHECK(ledger["a"] == 10);
        const auto row = world.run<Deposits>("b", {.value = -5});
        CHECK(row.status == Status::failed);
        CHECK(row.error.at("code") == "overdrawn");
        CHECK(ledger.count("b") == 0);
    });
}

TEST_CASE("signals: in order, before and after the wait, each dedup key once") {
    on_every_store([](World& world) {
        register_all(world);
        world.start_process();
        world.start(request("a", Sums::name, 3));
        world.signal("a", "add", 1, "k1");
        world.signal("a", "add", 1, "k1");
        world.until_recorded("a", EventKind::signal_received);
        world.signal("a", "add", 1, "k1");
        world.signal("a", "other", 100);
        world.signal("a", "add", 2, "k2");
        world.signal("a", "add", 4);
        CHECK(world.wait("a").output.at("value") == 7);
        const auto late = world.await(world.client().signal("a", "add", 1));
        CHECK(late.error().code == "orchestration_finished");
        CHECK(world.await(world.client().signal("nobody", "add", 1)).error().code == "orchestration_not_found");
    });
}

TEST_CASE("continue_as_new: executions follow each other and each keeps its history") {
    on_every_store([](World& world) {
        register_all(world);
        world.start_process();
        const auto row = world.run<CountsDown>("a", {.value = 5});
        CHECK(row.output.at("value") == 12);
        CHECK(row.execution == 6);
        CHECK(world.kinds("a", 1) == "started timer_created timer_fired continued_as_new");
    });
}

TEST_CASE("children: results come back, also of a child that continues as new") {
    on_every_store([](World& world) {
        register_all(world);
        world.start_process();
        const auto row = world.run<Parent1>("a", {.value = 1});
        CHECK(row.status == Status::completed);
        CHECK(row.output.at("value") == 32 + 8);
    });
}

TEST_CASE("children: an id that is taken fails the child and not the other") {
    on_every_store([](World& world) {
        register_all(world);
        world.start_process();
        world.start(request("p-child", Sums::name, 1));
        const auto row = world.run<ParentOfHanging>("p", {.value = 1});
        CHECK(row.error.at("code") == "orchestration_exists");
        world.signal("p-child", "add", 3);
        CHECK(world.wait("p-child").output.at("value") == 3);
    });
}

TEST_CASE("children: cancelling the parent cancels the child first") {
    on_every_store([](World& world) {
        register_all(world);
        world.start_process();
        world.start(request("p", ParentOfHanging::name, 1));
        world.until_recorded("p", EventKind::child_scheduled);
        world.cancel("p");
        CHECK(world.wait("p").status == Status::cancelled);
        CHECK(world.wait("p-child").status == Status::cancelled);
        CHECK(world.kinds("p") == "started child_scheduled cancel_requested child_cancelled child_failed failed");
    });
}

TEST_CASE("detached: lives on its own, conflicts by the policy") {
    on_every_store([](World& world) {
        register_all(world);
        world.start_process();
        CHECK(world.run<Detaches>("a", {.value = 1}).output.at("value") == 11);
        CHECK(world.wait("detached").output.at("value") == 32);
    });
}

TEST_CASE("cancellation: clean-up under a shield runs to its end") {
    on_every_store([](World& world) {
        register_all(world);
        world.start_process();
        world.start(request("a", CleansUp::name, 7));
        world.until_recorded("a", EventKind::wait_started);
        world.cancel("a");
        const auto row = world.wait("a");
        CHECK(row.status == Status::cancelled);
        CHECK(row.error.at("message") == "enough");
        CHECK(ledger["a"] == 7);
    });
}

TEST_CASE("start: an id is taken once; an ended one may be replaced") {
    on_every_store([](World& world) {
        register_all(world);
        world.start_process();
        world.run<FiveSteps>("a", {.value = 1});
        const auto again = world.await(world.client().start(request("a", FiveSteps::name, 2)));
        REQUIRE(!again);
        CHECK(again.error().code == "orchestration_exists");
        auto replace = request("a", FiveSteps::name, 2);
        replace.on_conflict = OnConflict::replace_terminal;
        const auto row = world.run(replace);
        CHECK(row.output.at("value") == 64);
        CHECK(row.execution == 2);
        CHECK(world.history("a", 1).size() == 12);
    });
}

TEST_CASE("unknown names: parked with the reason, not failed and not lost") {
    on_every_store([](World& world) {
        register_all(world);
        world.start_process();
        world.start(request("a", "from_the_future", 1));
        OrchestrationRow row;
        do row = value_or_raise(world.await(world.client().get("a")));
        while (row.status == Status::pending);
        CHECK(row.status == Status::stuck);
        CHECK(row.error.at("code") == "unknown_orchestration");
    });
}

TEST_CASE("terminate: ends at once, without clean-up") {
    on_every_store([](World& world) {
        register_all(world);
        world.start_process();
        world.start(request("a", CleansUp::name, 7));
        world.until_recorded("a", EventKind::wait_started);
        value_or_raise(world.await(world.client().terminate("a", "now")));
        CHECK(world.wait("a").status == Status::terminated);
        CHECK(ledger.count("a") == 0);
    });
}

TEST_CASE("many: 200 orchestrations at once all end") {
    on_every_store([](World& world) {
        register_all(world);
        world.start_process();
        for (int i = 0; i < 200; ++i) world.start(request(fmt::format("o{}", i), FiveSteps::name, i));
        for (int i = 0; i < 200; ++i) CHECK(world.wait(fmt::format("o{}", i)).output.at("value") == i * 32);
    });
}
