#include "orchestrations/delete_instance.hpp"

#include "activities/cancel_orchestration.hpp"
#include "activities/fail_operation.hpp"
#include "activities/mark_deleted.hpp"
#include "activities/mark_deleting.hpp"
#include "orchestrations/health_check.hpp"
#include "orchestrations/policies.hpp"
#include "orchestrations/remove_objects.hpp"

namespace toygres::orchestrations {
namespace {

using namespace activities;
using runtime::OrchestrationContext;
using runtime::Task;

Task<bool> remove(OrchestrationContext& ctx, DeleteInstance::Input in) {
    ctx.set_status({{"stage", "stopping the creation"}});
    co_await ctx.call<CancelOrchestration>({"create-" + in.k8s_name, "the instance is being deleted"}, until_done());
    const auto marked = co_await ctx.transact<MarkDeleting>({in.instance, in.operation});
    ctx.set_status({{"stage", "stopping the monitor"}});
    co_await ctx.call<CancelOrchestration>({health_check_id(in.k8s_name), "the instance is being deleted"},
                                           until_done());
    ctx.set_status({{"stage", "removing objects"}});
    co_await remove_objects(ctx, {in.instance, in.k8s_name, in.ns});
    co_await ctx.transact<MarkDeleted>({in.instance, in.operation});
    co_return !marked.deleted_already;
}

}  // namespace

Task<DeleteInstance::Output> DeleteInstance::run(OrchestrationContext& ctx, Input in) {
    const auto removed = co_await ctx.attempt(remove(ctx, in));
    if (!removed) {
        auto shield = ctx.shield();
        co_await ctx.transact<FailOperation>({in.operation, removed.error()});
        throw ErrorException(removed.error());
    }
    ctx.set_status({{"stage", "deleted"}});
    co_return Output{*removed};
}

}  // namespace toygres::orchestrations
