#include "orchestrations/supervisor.hpp"

#include "activities/keep_house.hpp"
#include "orchestrations/health_check.hpp"

namespace toygres::orchestrations {
namespace {

constexpr int rounds_per_execution = 100;

}  // namespace

runtime::Task<Supervisor::Output> Supervisor::run(runtime::OrchestrationContext& ctx, Input in) {
    for (int i = 0; i < rounds_per_execution; ++i) {
        const auto round = co_await ctx.attempt(ctx.transact<activities::KeepHouse>({}));
        if (ctx.cancelled()) raise(ErrorKind::cancelled, "cancelled", *ctx.cancelled());
        if (round) {
            for (const auto& missing : round->unmonitored) {
                ctx.log("monitor.restarted", {{"instance", missing.instance}, {"k8s_name", missing.k8s_name}});
                co_await ctx.detach<HealthCheck>(
                    health_check_id(missing.k8s_name),
                    HealthCheck::first_input(missing.instance, missing.k8s_name, missing.ns, missing.check_interval_ms),
                    runtime::OnConflict::replace_terminal);
            }
        }
        co_await ctx.sleep(std::chrono::milliseconds(in.interval_ms));
    }
    ctx.continue_as_new(in);
}

}  // namespace toygres::orchestrations
