// The orchestrations of the workload that deal with others: children, detached ones, clean-up after a cancellation.
#include "parts.hpp"

#include <fmt/format.h>

namespace toygres::sim {
namespace {

struct Countdown {
    static constexpr std::string_view name = "countdown";
    static constexpr int version = 1;
    using Input = Spec;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Spec in) {
        co_await ctx.sleep(milliseconds(in.millis));
        const auto kept = co_await ctx.transact<Deposit>({in.size, 0, 0});
        in.value = in.value * 3 + kept.value;
        if (--in.size > 0) ctx.continue_as_new(in);
        co_return Number{in.value + static_cast<int>(ctx.execution())};
    }
};

struct Thrower {
    static constexpr std::string_view name = "thrower";
    static constexpr int version = 1;
    using Input = Spec;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Spec in) {
        co_await ctx.call<Add>({in.value, in.millis, 0}, patient());
        raise(ErrorKind::conflict, "thrown", "on purpose");
    }
};

// Children that end, continue as new and fail; the parent continues as new between them.
struct Family {
    static constexpr std::string_view name = "family";
    static constexpr int version = 1;
    using Input = Spec;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Spec in) {
        const auto id = [&](std::string_view which) { return fmt::format("{}/{}{}", ctx.id(), which, in.size); };
        const Spec small{in.value, 2, in.millis};
        auto chain = ctx.child<Chain>(small, {.id = id("chain")});
        auto countdown = ctx.child<Countdown>(small, {.id = id("countdown")});
        const auto thrown = co_await ctx.attempt(ctx.child<Thrower>(small, {.id = id("thrower")}));
        const auto a = co_await std::move(chain);
        const auto b = co_await std::move(countdown);
        in.value = (in.value + a.value * 3 + b.value * 5 + (thrown ? 0 : 7)) % 1'000'003;
        if (--in.size > 0) ctx.continue_as_new(in);
        co_return Number{in.value};
    }
};

// A child that may answer after its parent continued as new, while the next execution waits for another one at the same
// position. The end of the first (marked '~') depends on time.
struct Heir {
    static constexpr std::string_view name = "heir";
    static constexpr int version = 1;
    using Input = Spec;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Spec in) {
        const auto close = in.value % 2 == 0 ? ClosePolicy::cancel : ClosePolicy::abandon;
        if (in.size > 0) {
            auto child =
                ctx.child<Chain>({1, 2, in.millis}, {.id = fmt::format("{}/~{}", ctx.id(), in.size), .close = close});
            co_await ctx.sleep(milliseconds(in.millis));
            --in.size;
            ctx.continue_as_new(in);
        }
        const auto last = co_await ctx.child<Chain>({in.value, 3, in.millis * 3}, {.id = ctx.id() + "/last"});
        co_return Number{last.value};
    }
};

struct Detacher {
    static constexpr std::string_view name = "detacher";
    static constexpr int version = 1;
    using Input = Spec;
    using Output = Number;
    static Task<Number> run(OrchestrationContext& ctx, Spec in) {
        const auto other = ctx.id() + "/other";
        const auto replaced = ctx.id() + "/replaced";
        co_await ctx.detach<Chain>(other, in, OnConflict::fail);
        const auto again = co_await ctx.attempt(ctx.detach<Chain>(other, in, OnConflict::fail));
        const auto existing = co_await ctx.attempt(ctx.detach<Ledger>(other, in, OnConflict::use_existing));
        const auto taken = co_await ctx.attempt(ctx.child<Waiter>(in, {.id = other}));
        const auto first = co_await ctx.child<Ledger>(in, {.id = replaced});
        co_await ctx.detach<Sleeper>(replaced, in, OnConflict::replace_terminal);
        co_return Number{(again ? 0 : 1) + (existing ? 2 : 0) + (taken ? 0 : 4) + first.value * 8};
    }
};

// Waits until it is cancelled, in one of several ways; cleans up behind a shield, and passes the cancellation on.
struct Cleaner {
    static constexpr std::string_view name = "cleaner";
    static constexpr int version = 1;
    using Input = Spec;
    using Output = Number;
    static Task<Number> wait(OrchestrationContext& ctx, Spec in) {
        if (in.value % 4 == 0) co_return co_await ctx.child<Waiter>(in, {.id = ctx.id() + "/waiter"});
        if (in.value % 4 == 1) co_await ctx.call<Hang>({0, 0, 0});
        if (in.value % 4 == 2) co_await ctx.any(ctx.sleep(std::chrono::hours(1)), ctx.wait<Number>("never"));
        co_return co_await ctx.wait<Number>("never");
    }
    static Task<Number> run(OrchestrationContext& ctx, Spec in) {
        const auto waited = co_await ctx.attempt(wait(ctx, in));
        auto shield = ctx.shield();
        co_await ctx.transact<Deposit>({in.value, in.millis, 0});
        co_await ctx.call<Add>({in.value, in.millis, 1}, patient());
        co_await ctx.child<Chain>({1, 1, in.millis}, {.id = ctx.id() + "/cleanup"});
        ctx.set_status("clean");
        throw ErrorException(waited.error());
    }
};

}  // namespace

void add_families(OrchestrationRegistry& registry) {
    registry.add<Countdown>();
    registry.add<Thrower>();
    registry.add<Family>();
    registry.add<Heir>();
    registry.add<Detacher>();
    registry.add<Cleaner>();
}

}  // namespace toygres::sim
