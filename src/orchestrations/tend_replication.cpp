#include "orchestrations/tend_replication.hpp"

#include "activities/advance_replication.hpp"
#include "activities/watch_instance.hpp"

#include <fmt/format.h>

namespace toygres::orchestrations {
namespace {

using namespace activities;
using namespace std::chrono_literals;
using runtime::OrchestrationContext;
using runtime::RetryPolicy;
using runtime::Task;

constexpr auto pause_after_failure = 500ms;

std::string stage_of(ha::State state) {
    switch (state) {
        case ha::State::creating:
        case ha::State::joining:
            return "making the standby";
        case ha::State::catching_up:
        case ha::State::arming:
            return "confirming synchronous replication";
        default:
            return "replication is " + enum_name(state);
    }
}

}  // namespace

ha::Record first_record(const std::string& k8s_name, int members, ha::Mode mode, ha::Durability durability) {
    ha::Record record{.mode = mode, .durability = durability};
    for (int m = 1; m <= members; ++m) record.members.push_back(fmt::format("{}-{}", k8s_name, m));
    record.primary = record.members.front();
    return record;
}

Task<Tended> tend_replication(OrchestrationContext& ctx, InstanceRef instance, std::chrono::milliseconds duration) {
    const RetryPolicy one_look{.attempts = 1, .start_to_close = duration + 60s};
    auto look = ctx.call<WatchInstance>({instance, duration.count()}, one_look);
    auto wake = ctx.wait<Json>("wake");
    std::optional<WatchInstance::Output> seen;
    bool failed = false;
    try {
        auto first = co_await ctx.any(std::move(look), std::move(wake));
        if (first.index == 0) seen = std::get<0>(std::move(first.value));
    } catch (const ErrorException&) {
        if (ctx.cancelled()) throw;
        failed = true;
    }
    if (failed) co_await ctx.sleep(pause_after_failure);
    if (!seen) co_return Tended{true, ha::State::creating, std::nullopt};
    const auto state = enum_from<ha::State>(seen->state).value_or(ha::State::creating);
    if (seen->event.is_null() && seen->refusal.is_null() && !seen->blocked_is_news)
        co_return Tended{false, state, seen->lag_bytes};
    const auto done = co_await ctx.transact<AdvanceReplication>({instance.instance, *seen});
    co_return Tended{done.advanced || !seen->refusal.is_null(), enum_from<ha::State>(done.state).value_or(state),
                     seen->lag_bytes};
}

Task<Nothing> tend_until_ready(OrchestrationContext& ctx, InstanceRef instance, ha::Mode mode,
                               std::chrono::milliseconds timeout) {
    const auto deadline = ctx.now() + timeout;
    for (;;) {
        const auto tended = co_await tend_replication(ctx, instance, 10s);
        if (tended.state == ha::State::single || tended.state == ha::State::synced) co_return Nothing{};
        if (mode == ha::Mode::async && tended.state == ha::State::catching_up) co_return Nothing{};
        ctx.set_status({{"stage", stage_of(tended.state)}});
        if (ctx.now() > deadline)
            raise(ErrorKind::timeout, "replication_not_ready",
                  fmt::format("no confirmed standby after {} s: the instance is {}",
                              std::chrono::duration_cast<std::chrono::seconds>(timeout).count(),
                              enum_name(tended.state)));
    }
}

}  // namespace toygres::orchestrations
