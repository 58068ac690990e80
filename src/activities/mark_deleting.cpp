#include "activities/mark_deleting.hpp"

#include "cms/instances.hpp"
#include "cms/operations.hpp"

namespace toygres::activities {

asio::awaitable<MarkDeleting::Output> MarkDeleting::run(runtime::StepContext& ctx, Input in) {
    auto& tx = ctx.sql();
    const auto instance = value_or_raise(co_await cms::get_instance(tx, in.instance));
    if (instance.state == "deleted") co_return Output{true};
    value_or_raise(co_await cms::set_state(tx, in.instance, "deleting", {ctx.orchestration(), ""}, in.operation,
                                           "deletion requested"));
    value_or_raise(co_await cms::drop_sealed(tx, in.instance));
    value_or_raise(co_await cms::cancel_operations(tx, in.instance, in.operation));
    co_return Output{false};
}

}  // namespace toygres::activities
