#include "activities/end_operation.hpp"

#include "cms/operations.hpp"

namespace toygres::activities {

asio::awaitable<EndOperation::Output> EndOperation::run(runtime::StepContext& ctx, Input in) {
    value_or_raise(co_await cms::finish_operation(ctx.sql(), in.operation, "succeeded", in.result, {}));
    co_return Nothing{};
}

}  // namespace toygres::activities
