#include "activities/mark_deleted.hpp"

#include "cms/instances.hpp"
#include "cms/operations.hpp"
#include "cms/replication.hpp"

namespace toygres::activities {

asio::awaitable<MarkDeleted::Output> MarkDeleted::run(runtime::StepContext& ctx, Input in) {
    auto& tx = ctx.sql();
    value_or_raise(co_await cms::remove_members(tx, in.instance));
    value_or_raise(co_await cms::give_up_failovers(tx, in.instance));
    value_or_raise(co_await cms::cancel_operations(tx, in.instance, in.operation));
    value_or_raise(co_await cms::set_state(tx, in.instance, "deleted", {ctx.orchestration(), ""}, in.operation,
                                           "every object is gone"));
    value_or_raise(co_await cms::finish_operation(tx, in.operation, "succeeded", Json::object(), {}));
    co_return Nothing{};
}

}  // namespace toygres::activities
