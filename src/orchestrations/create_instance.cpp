#include "orchestrations/create_instance.hpp"

#include "activities/apply_secrets.hpp"
#include "activities/assign_role.hpp"
#include "activities/deploy_postgres.hpp"
#include "activities/mark_failed.hpp"
#include "activities/mark_running.hpp"
#include "activities/test_connection.hpp"
#include "activities/wait_for_ready.hpp"
#include "orchestrations/health_check.hpp"
#include "orchestrations/policies.hpp"
#include "orchestrations/remove_objects.hpp"
#include "orchestrations/tend_replication.hpp"

#include <fmt/format.h>

namespace toygres::orchestrations {
namespace {

using namespace activities;
using namespace std::chrono_literals;
using runtime::OrchestrationContext;
using runtime::RetryPolicy;
using runtime::Task;

constexpr auto ready_timeout = 5min;
constexpr auto replication_timeout = 10min;

InstanceShape shape_of(const CreateInstance::Input& in) {
    return {in.instance,          in.name,   in.k8s_name, in.ns, in.postgres_version, in.storage_size_gb,
            in.use_load_balancer, in.members};
}

Task<TestConnection::Output> provision(OrchestrationContext& ctx, CreateInstance::Input in) {
    ctx.set_status({{"stage", "applying objects"}});
    co_await ctx.call<ApplySecrets>(shape_of(in), kube_retry());
    co_await ctx.call<DeployPostgres>(shape_of(in), kube_retry());
    ctx.set_status({{"stage", "starting PostgreSQL"}});
    RetryPolicy patient = kube_retry();
    patient.start_to_close = ready_timeout + 10s;
    patient.schedule_to_close = ready_timeout + 10s;
    co_await ctx.call<WaitForReady>({in.k8s_name, in.ns, 1, std::chrono::milliseconds(ready_timeout).count()}, patient);
    ctx.set_status({{"stage", "testing the connection"}});
    co_await ctx.call<AssignRole>({in.k8s_name, in.ns, 1}, kube_retry());
    const InstanceRef instance{in.instance, in.k8s_name, in.ns};
    const auto endpoint = co_await ctx.call<TestConnection>(instance, connection_retry());
    co_await tend_until_ready(ctx, instance, in.replication_mode, replication_timeout);
    co_return endpoint;
}

}  // namespace

Task<CreateInstance::Output> CreateInstance::run(OrchestrationContext& ctx, Input in) {
    const auto made = co_await ctx.attempt(provision(ctx, in));
    // From here on nothing is interrupted: a deletion that wants this to end waits until it is whole or gone.
    auto shield = ctx.shield();
    if (!made) {
        ctx.set_status({{"stage", "removing what was made"}, {"reason", made.error().message}});
        auto failure = made.error();
        const auto removed = co_await ctx.attempt(remove_objects(ctx, {in.instance, in.k8s_name, in.ns}));
        if (!removed)
            failure.message += fmt::format("; what was made of it could not be removed ({}): delete the instance",
                                           removed.error().message);
        co_await ctx.transact<MarkFailed>({in.instance, in.operation, failure});
        throw ErrorException(std::move(failure));
    }
    const auto monitor = health_check_id(in.k8s_name);
    co_await ctx.detach<HealthCheck>(monitor,
                                     HealthCheck::first_input(in.instance, in.k8s_name, in.ns, in.check_interval_ms),
                                     runtime::OnConflict::replace_terminal);
    co_await ctx.transact<MarkRunning>(
        {in.instance, in.operation, in.k8s_name, made->address, made->dns_name, monitor, made->version});
    ctx.set_status({{"stage", "running"}});
    co_return Output{in.k8s_name, made->address};
}

}  // namespace toygres::orchestrations
