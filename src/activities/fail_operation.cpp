#include "activities/fail_operation.hpp"

#include "cms/operations.hpp"

namespace toygres::activities {

asio::awaitable<FailOperation::Output> FailOperation::run(runtime::StepContext& ctx, Input in) {
    const auto* state = in.error.kind == ErrorKind::cancelled ? "cancelled" : "failed";
    value_or_raise(co_await cms::finish_operation(ctx.sql(), in.operation, state, {}, encode(in.error)));
    co_return Nothing{};
}

}  // namespace toygres::activities
