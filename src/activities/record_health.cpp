#include "activities/record_health.hpp"

#include "cms/instances.hpp"
#include "cms/replication.hpp"
#include "ha/model.hpp"

namespace toygres::activities {
namespace {

// With what Kubernetes says of the primary, or why it says nothing.
std::string told_with(std::string error, const cms::Replication& stored) {
    const auto primary = stored.record.value("primary", "");
    for (const auto& alert : decode<std::vector<ha::Alert>>(stored.alerts))
        if (alert.kind == "kubernetes" || (alert.kind == "member_trouble" && alert.member == primary))
            error += "; " + alert.message;
    return error;
}

}  // namespace

asio::awaitable<RecordHealth::Output> RecordHealth::run(runtime::StepContext& ctx, Input in) {
    auto& tx = ctx.sql();
    const auto instance = value_or_raise(co_await cms::get_instance(tx, in.instance));
    if (instance.state != "running") co_return Output{instance.state};
    if (in.error) {
        const auto stored = value_or_raise(co_await cms::get_replication(tx, in.instance));
        in.error = told_with(*in.error, stored);
    }
    value_or_raise(co_await cms::record_health(tx, in.instance,
                                               {.kind = in.kind,
                                                .status = in.status,
                                                .postgres_version = in.version,
                                                .response_time_ms = static_cast<int>(in.response_time_ms),
                                                .checks = in.checks,
                                                .failures = in.failures,
                                                .error_message = in.error}));
    value_or_raise(co_await cms::set_replication_lag(tx, in.instance, in.lag_bytes));
    if (in.kind == "transition")
        value_or_raise(co_await cms::set_health(tx, in.instance, in.status, {ctx.orchestration(), ""},
                                                in.error.value_or("answers again")));
    co_return Output{instance.state};
}

}  // namespace toygres::activities
