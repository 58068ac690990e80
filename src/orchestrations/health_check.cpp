#include "orchestrations/health_check.hpp"

#include "activities/check_health.hpp"
#include "activities/record_health.hpp"

namespace toygres::orchestrations {
namespace {

using namespace activities;
using namespace std::chrono_literals;
using runtime::OrchestrationContext;
using runtime::RetryPolicy;
using runtime::Task;

constexpr int failures_to_unhealthy = 3;
constexpr int checks_per_execution = 100;
constexpr auto summary_interval = 60s;

RetryPolicy one_look() { return {.attempts = 1, .start_to_close = 15s}; }

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

}  // namespace

HealthCheck::Input HealthCheck::first_input(std::string instance, std::string k8s_name, std::string ns,
                                            std::int64_t check_interval_ms) {
    return {
        std::move(instance), std::move(k8s_name), std::move(ns), check_interval_ms, "unknown", 0, Timestamp{}, 0, 0};
}

Task<HealthCheck::Output> HealthCheck::run(OrchestrationContext& ctx, Input in) {
    for (int i = 0; i < checks_per_execution; ++i) {
        const auto looked = co_await ctx.attempt(ctx.call<CheckHealth>({in.instance, in.k8s_name, in.ns}, one_look()));
        if (ctx.cancelled()) raise(ErrorKind::cancelled, "cancelled", *ctx.cancelled());
        const auto seen =
            looked.value_or(CheckHealth::Output{false, std::nullopt, 0, looked ? "" : looked.error().message});
        const auto status = judge(in, seen.healthy, ctx.now());
        const bool changed = status != in.status && status != "unknown";
        if (changed || ctx.now() - in.window_from >= summary_interval) {
            // A CMS that refuses is a hiccup: the next look tries again.
            const auto recorded = co_await ctx.attempt(
                ctx.transact<RecordHealth>({in.instance, changed ? "transition" : "rollup", status, seen.version,
                                            seen.response_time_ms, in.window_checks, in.window_failures, seen.error}));
            if (recorded && (recorded->state == "deleted" || recorded->state == "failed")) co_return Nothing{};
            if (recorded && recorded->state == "running") {
                in.status = status;
                in.window_checks = 0;
                in.window_failures = 0;
            }
        }
        ctx.set_status({{"status", in.status}, {"failures_in_a_row", in.failures_in_a_row}});
        co_await ctx.sleep(std::chrono::milliseconds(in.check_interval_ms));
    }
    ctx.continue_as_new(in);
}

}  // namespace toygres::orchestrations
