#include "orchestrations/health_check.hpp"

#include "activities/check_health.hpp"
#include "activities/record_health.hpp"
#include "orchestrations/tend_replication.hpp"

namespace toygres::orchestrations {
namespace {

using namespace activities;
using namespace std::chrono_literals;
using runtime::OrchestrationContext;
using runtime::RetryPolicy;
using runtime::Task;

constexpr int failures_to_unhealthy = 3;
constexpr std::int64_t events_per_execution = 600;
constexpr auto summary_interval = 300s;
constexpr auto summary_interval_v1 = 60s;

// Meanwhile nobody tends replication: a server that hangs must not keep a failover waiting.
RetryPolicy one_look() { return {.attempts = 1, .start_to_close = 4s}; }

// Counts a look into the summary; the status that follows from it.
std::string judge(HealthCheck::Input& state, bool healthy, Timestamp now) {
    if (state.window_checks == 0) state.window_from = now;
    ++state.window_checks;
    if (healthy) {
        state.failures_in_a_row = 0;
        return "healthy";
    }
    ++state.window_failures;
    ++state.failures_in_a_row;
    return state.failures_in_a_row >= failures_to_unhealthy ? "unhealthy" : state.status;
}

// One look, and what there is to write of it. false: the instance is gone.
Task<bool> check(OrchestrationContext& ctx, HealthCheck::Input& in, std::chrono::seconds summary_every) {
    const auto looked = co_await ctx.attempt(ctx.call<CheckHealth>({in.instance, in.k8s_name, in.ns}, one_look()));
    if (ctx.cancelled()) raise(ErrorKind::cancelled, "cancelled", *ctx.cancelled());
    if (!looked && looked.error().code == CheckHealth::not_made) co_return true;
    const auto seen =
        looked.value_or(CheckHealth::Output{false, std::nullopt, 0, looked ? "" : looked.error().message});
    const auto status = judge(in, seen.healthy, ctx.now());
    const bool changed = status != in.status && status != "unknown";
    if (!changed && ctx.now() - in.window_from < summary_every) co_return true;
    // A CMS that refuses is a hiccup: the next look tries again.
    const auto recorded = co_await ctx.attempt(ctx.transact<RecordHealth>(
        {in.instance, changed ? "transition" : "rollup", status, seen.version, seen.response_time_ms, in.window_checks,
         in.window_failures, seen.error, in.lag_bytes}));
    if (!recorded) co_return true;
    if (recorded->state == "deleted" || recorded->state == "failed") co_return false;
    if (recorded->state == "running") {
        in.status = status;
        in.window_checks = 0;
        in.window_failures = 0;
    }
    co_return true;
}

Task<Nothing> monitor(OrchestrationContext& ctx, HealthCheck::Input in, std::chrono::seconds summary_every) {
    const InstanceRef instance{in.instance, in.k8s_name, in.ns};
    const auto asked = ctx.on_query<Json>("state", [&](const Json&) { return in; });
    const auto hurried = ctx.on_update<Json>(
        "check", [](const Json&) {},
        [&](const Json&) {
            in.next_check_at = ctx.now();
            ctx.post("wake", Json());
            return Nothing{};
        });
    while (ctx.history_size() < events_per_execution) {
        // A next look that is further away than the interval was agreed on by a clock that has been set back since.
        const auto interval = std::chrono::milliseconds(in.check_interval_ms);
        if (ctx.now() >= in.next_check_at || in.next_check_at - ctx.now() > interval) {
            if (!co_await check(ctx, in, summary_every)) co_return Nothing{};
            in.next_check_at = ctx.now() + interval;
        }
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(in.next_check_at - ctx.now());
        const auto tended = co_await tend_replication(ctx, instance, std::max<std::chrono::milliseconds>(left, 100ms));
        in.lag_bytes = tended.lag_bytes;
        ctx.set_status({{"status", in.status},
                        {"failures_in_a_row", in.failures_in_a_row},
                        {"replication", enum_name(tended.state)}});
        if (!tended.advanced && tended.state == ha::State::single && ctx.now() < in.next_check_at)
            co_await ctx.any(ctx.sleep_until(in.next_check_at), ctx.wait<Json>("wake"));
    }
    ctx.continue_as_new(in);
}

}  // namespace

HealthCheck::Input HealthCheck::first_input(std::string instance, std::string k8s_name, std::string ns,
                                            std::int64_t check_interval_ms) {
    return {std::move(instance), std::move(k8s_name), std::move(ns), check_interval_ms, "unknown", 0, Timestamp{}, 0, 0,
            Timestamp{},         std::nullopt};
}

Task<Nothing> HealthCheck::run(OrchestrationContext& ctx, Input in) {
    return monitor(ctx, std::move(in), summary_interval);
}

Task<Nothing> HealthCheckV1::run(OrchestrationContext& ctx, Input in) {
    return monitor(ctx, std::move(in), summary_interval_v1);
}

}  // namespace toygres::orchestrations
