// The orchestrations of the workload that others call, too.
#pragma once
#include "effects.hpp"

namespace toygres::sim {

// Sequential activities, some failing and retried, one failing for good; then a tail of status.
struct Chain {
    static constexpr std::string_view name = "chain";
    static constexpr int version = 1;
    using Input = Spec;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Spec in) {
        int value = in.value;
        for (int i = 0; i < in.size; ++i) {
            const auto done = co_await ctx.call<Add>({value, in.millis, i % 3}, patient());
            value = done.value;
            ctx.set_status({{"done", i + 1}});
        }
        if (in.value % 4 == 0) value = (co_await ctx.call<Add>({value, 15'000, 0}, patient())).value;  // a long one
        const auto refused = co_await ctx.attempt(ctx.call<Refuse>({value, 0, 0}));
        co_return Number{value + (refused ? 0 : 100)};
    }
};

struct Ledger {
    static constexpr std::string_view name = "ledger";
    static constexpr int version = 1;
    using Input = Spec;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Spec in) {
        int sum = 0;
        for (int i = 0; i < in.size; ++i) {
            const auto kept = co_await ctx.transact<Deposit>({in.value + i, in.millis, 0});
            sum += kept.value;
        }
        std::vector<Future<Number>> both;
        both.push_back(ctx.transact<Deposit>({1, 0, 0}));
        both.push_back(ctx.transact<Deposit>({2, in.millis, 0}));
        for (const auto& kept : co_await ctx.all(std::move(both))) sum += kept.value;
        const auto refused = co_await ctx.attempt(ctx.transact<Deposit>({-1, 0, 0}));
        co_return Number{sum + (!refused && refused.error().code == "overdrawn" ? 1000 : 0)};
    }
};

struct Sleeper {
    static constexpr std::string_view name = "sleeper";
    static constexpr int version = 1;
    using Input = Spec;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Spec in) {
        co_await ctx.sleep(milliseconds(0));
        co_await ctx.sleep_until(ctx.now() - std::chrono::seconds(5));
        for (int i = 0; i < in.size; ++i) {
            co_await ctx.sleep(milliseconds(in.millis * 20));
            ctx.set_status(i);
        }
        co_return Number{in.value};
    }
};

// Waits for a signal that nobody sends.
struct Waiter {
    static constexpr std::string_view name = "waiter";
    static constexpr int version = 1;
    using Input = Spec;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Spec) { co_return co_await ctx.wait<Number>("never"); }
};

}  // namespace toygres::sim
