#include "orchestrations/repair_drift.hpp"

#include "activities/cancel_orchestration.hpp"
#include "activities/keep_house.hpp"
#include "activities/repair_drift.hpp"
#include "orchestrations/health_check.hpp"
#include "orchestrations/policies.hpp"

namespace toygres::orchestrations {
namespace {

using namespace activities;
using namespace std::chrono_literals;
using runtime::OrchestrationContext;
using runtime::Task;

// The others wait meanwhile.
runtime::RetryPolicy few_tries() { return {.attempts = 3, .initial_delay = 500ms, .start_to_close = 3min}; }

Task<Nothing> start_monitor(OrchestrationContext& ctx, std::string k8s_name) {
    const auto house = co_await ctx.transact<KeepHouse>({});
    for (const auto& missing : house.unmonitored)
        if (missing.k8s_name == k8s_name)
            co_await ctx.detach<HealthCheck>(
                health_check_id(k8s_name),
                HealthCheck::first_input(missing.instance, missing.k8s_name, missing.ns, missing.check_interval_ms),
                runtime::OnConflict::replace_terminal);
    co_return Nothing{};
}

Task<Nothing> mend(OrchestrationContext& ctx, DriftFinding finding) {
    const auto& repair = *finding.repair;
    if (repair == "start_monitor") co_return co_await start_monitor(ctx, finding.k8s_name);
    if (repair == "stop_monitor")
        co_await ctx.call<CancelOrchestration>({finding.object, "there is no such instance"}, few_tries());
    else if (repair == "remove")
        co_await ctx.call<RemoveOrphan>(
            {finding.k8s_name, finding.kind, finding.ns, finding.object, finding.uid.value_or("")}, few_tries());
    else
        co_await ctx.call<RestoreObject>({finding.instance_id.value_or(""), finding.kind, finding.object}, few_tries());
    co_return Nothing{};
}

}  // namespace

Task<RepairDrift::Output> RepairDrift::run(OrchestrationContext& ctx, Input in) {
    ctx.set_status({{"stage", "looking"}});
    const auto plan = co_await ctx.call<FindDrift>({in.ns, in.grace_ms, in.remove_volumes}, kube_retry());
    Output out{{}, plan.more};
    for (const auto& finding : plan.actions) {
        ctx.set_status({{"stage", "repairing"}, {"done", out.actions.size()}, {"of", plan.actions.size()}});
        const auto begun = co_await ctx.transact<BeginRepair>({finding, in.caller, in.request_id});
        const auto done = co_await ctx.attempt(mend(ctx, finding));
        auto shield = ctx.shield();
        co_await ctx.transact<EndRepair>(
            {begun.entry, finding, in.caller, done ? std::nullopt : std::optional(done.error().code)});
        out.actions.push_back(
            {*finding.repair, finding.kind, finding.object, done ? std::nullopt : std::optional(done.error())});
    }
    ctx.set_status({{"stage", "done"}});
    co_return out;
}

}  // namespace toygres::orchestrations
