#include "workload.hpp"

#include "parts.hpp"

namespace toygres::sim {
namespace {

using namespace std::chrono_literals;

constexpr milliseconds an_hour = 1h;

struct Fan {
    static constexpr std::string_view name = "fan";
    static constexpr int version = 1;
    using Input = Spec;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Spec in) {
        std::vector<Future<Done>> all;
        std::vector<Future<Done>> loose;
        for (int i = 0; i < in.size; ++i) {
            all.push_back(ctx.call<Add>({i, in.millis * (i % 3), i % 2}, patient()));
            loose.push_back(ctx.call<Add>({i, in.millis * (i % 2), 0}, patient()));
        }
        int sum = in.value;
        for (const auto& done : co_await ctx.all(std::move(all))) sum += done.value;
        while (!loose.empty()) {
            const auto first = static_cast<std::ptrdiff_t>(co_await ctx.first_of(loose));
            const auto done = co_await std::move(loose[static_cast<std::size_t>(first)]);
            loose.erase(loose.begin() + first);
            sum += done.value;
        }
        co_return Number{sum};
    }
};

// Races whose winners are certain: what hangs loses against a timer, what works wins against an hour.
struct Race {
    static constexpr std::string_view name = "race";
    static constexpr int version = 1;
    using Input = Spec;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Spec in) {
        const milliseconds soon(in.millis * 10);
        int value = in.value;
        for (int i = 0; i < in.size; ++i) {
            const auto a = co_await ctx.any(ctx.call<Hang>({0, 0, 0}), ctx.sleep(soon));
            const auto b = co_await ctx.any(ctx.call<Add>({value, in.millis, 1}, patient()), ctx.sleep(an_hour));
            const auto c = co_await ctx.any(ctx.wait<Number>("never"), ctx.sleep(soon));
            const auto d = co_await ctx.any(ctx.sleep(an_hour), ctx.transact<Deposit>({i, in.millis, 0}));
            value = value * 16 + static_cast<int>(a.index * 8 + b.index * 4 + c.index * 2 + d.index);
        }
        const auto child = co_await ctx.any(ctx.child<Waiter>(in, {.id = ctx.id() + "/loser"}), ctx.sleep(soon));
        co_return Number{value * 2 + static_cast<int>(child.index)};
    }
};

// Hanging activities end by their limits.
struct Limits {
    static constexpr std::string_view name = "limits";
    static constexpr int version = 1;
    using Input = Spec;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Spec in) {
        const RetryPolicy twice{.attempts = 2, .initial_delay = 100ms, .start_to_close = milliseconds(in.millis * 10)};
        const RetryPolicy silent{.attempts = 1, .heartbeat_timeout = milliseconds(in.millis * 5)};
        const auto late = co_await ctx.attempt(ctx.call<Hang>({0, 0, 0}, twice));
        const auto quiet = co_await ctx.attempt(ctx.call<Hang>({0, 0, 0}, silent));
        co_return Number{(!late && late.error().code == "activity_timeout" ? 1 : 0) +
                         (!quiet && quiet.error().code == "heartbeat_timeout" ? 2 : 0)};
    }
};

// Signals in order, across executions: each is worth its place.
struct Collector {
    static constexpr std::string_view name = "collector";
    static constexpr int version = 1;
    using Input = Spec;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Spec in) {
        for (int i = 0; i < 2 && in.size > 0; ++i, --in.size) {
            const auto got = co_await ctx.wait<Number>("add");
            in.value = (in.value * 7 + got.value) % 1'000'003;
            if (i == 0) co_await ctx.call<Add>({0, in.millis, 0}, patient());
        }
        if (in.size > 0) ctx.continue_as_new(in);
        co_return Number{in.value};
    }
};

// Updates in order, across executions; those that take too much are refused.
struct Account {
    static constexpr std::string_view name = "account";
    static constexpr int version = 1;
    using Input = Spec;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Spec in) {
        int taken = 0;
        const auto balance = ctx.on_query<Json>("balance", [&](const Json&) { return in.value; });
        const auto pay = ctx.on_update<Number>(
            "pay",
            [](const Number& amount) {
                if (amount.value < 0) raise(ErrorKind::conflict, "overdrawn", "it has no more than that");
            },
            [&](const Number& amount) {
                in.value = (in.value * 7 + amount.value) % 1'000'003;
                if (--in.size == 0 || ++taken == 2) ctx.post("full", Json());
                return in.value;
            });
        co_await ctx.wait<Json>("full");
        if (in.size > 0) ctx.continue_as_new(in);
        co_await ctx.call<Add>({0, in.millis, 0}, patient());
        co_return Number{in.value};
    }
};

}  // namespace

Workload::Workload() {
    activities.add<Add>();
    activities.add<Refuse>();
    activities.add<Hang>();
    activities.add_step<Deposit>();
    orchestrations.add<Chain>();
    orchestrations.add<Ledger>();
    orchestrations.add<Sleeper>();
    orchestrations.add<Waiter>();
    orchestrations.add<Fan>();
    orchestrations.add<Race>();
    orchestrations.add<Limits>();
    orchestrations.add<Collector>();
    orchestrations.add<Account>();
    add_families(orchestrations);
}

}  // namespace toygres::sim
