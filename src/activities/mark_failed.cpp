#include "activities/mark_failed.hpp"

#include "cms/instances.hpp"
#include "cms/operations.hpp"
#include "cms/trouble.hpp"

#include <fmt/format.h>

namespace toygres::activities {
namespace {

// With what Kubernetes kept it waiting for to the end, where the error does not say so itself.
Error told_with(Error error, const Json& trouble) {
    if (error.kind == ErrorKind::cancelled || error.details.is_object() || !trouble.is_object()) return error;
    const auto reason = trouble.value("reason", "");
    if (!error.message.contains(reason))
        error.message += fmt::format("; Kubernetes says: {}: {}", reason, trouble.value("message", ""));
    error.details = trouble;
    return error;
}

}  // namespace

asio::awaitable<MarkFailed::Output> MarkFailed::run(runtime::StepContext& ctx, Input in) {
    auto& tx = ctx.sql();
    const auto error = told_with(in.error, value_or_raise(co_await cms::get_trouble(tx, in.operation)));
    value_or_raise(co_await cms::drop_sealed(tx, in.instance));
    value_or_raise(co_await cms::remove_members(tx, in.instance));
    value_or_raise(
        co_await cms::set_state(tx, in.instance, "failed", {ctx.orchestration(), ""}, in.operation, error.message));
    const bool cancelled = error.kind == ErrorKind::cancelled;
    value_or_raise(
        co_await cms::finish_operation(tx, in.operation, cancelled ? "cancelled" : "failed", {}, encode(error)));
    co_return Nothing{};
}

}  // namespace toygres::activities
