#include "activities/mark_failed.hpp"

#include "cms/instances.hpp"
#include "cms/operations.hpp"

namespace toygres::activities {

asio::awaitable<MarkFailed::Output> MarkFailed::run(runtime::StepContext& ctx, Input in) {
    auto& tx = ctx.sql();
    value_or_raise(co_await cms::drop_sealed(tx, in.instance));
    value_or_raise(co_await cms::remove_members(tx, in.instance));
    value_or_raise(
        co_await cms::set_state(tx, in.instance, "failed", {ctx.orchestration(), ""}, in.operation, in.error.message));
    const bool cancelled = in.error.kind == ErrorKind::cancelled;
    value_or_raise(
        co_await cms::finish_operation(tx, in.operation, cancelled ? "cancelled" : "failed", {}, encode(in.error)));
    co_return Nothing{};
}

}  // namespace toygres::activities
