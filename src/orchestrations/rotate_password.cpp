#include "orchestrations/rotate_password.hpp"

#include "activities/end_operation.hpp"
#include "activities/fail_operation.hpp"
#include "orchestrations/policies.hpp"

namespace toygres::orchestrations {
namespace {

using namespace activities;

runtime::Task<void> rotate(runtime::OrchestrationContext& ctx, RotatePassword::Input in) {
    ctx.set_status({{"stage", "Secret"}});
    co_await ctx.call<RotateSecret>(in.instance, kube_retry());
    ctx.set_status({{"stage", "PostgreSQL"}});
    co_await ctx.call<RotateRole>(in.instance, connection_retry());
}

}  // namespace

runtime::Task<RotatePassword::Output> RotatePassword::run(runtime::OrchestrationContext& ctx, Input in) {
    const auto done = co_await ctx.attempt(rotate(ctx, in));
    auto shield = ctx.shield();
    if (!done) {
        co_await ctx.transact<FailOperation>({in.operation, done.error()});
        throw ErrorException(done.error());
    }
    co_await ctx.transact<EndOperation>({in.operation, {}});
    co_return Nothing{};
}

}  // namespace toygres::orchestrations
