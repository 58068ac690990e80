#include "activities/mark_running.hpp"

#include "cms/instances.hpp"
#include "cms/operations.hpp"

namespace toygres::activities {

asio::awaitable<MarkRunning::Output> MarkRunning::run(runtime::StepContext& ctx, Input in) {
    auto& tx = ctx.sql();
    const cms::Actor actor{ctx.orchestration(), ""};
    value_or_raise(co_await cms::set_endpoint(tx, in.instance, in.address, in.dns_name));
    value_or_raise(co_await cms::set_orchestrations(tx, in.instance, std::nullopt, in.monitor));
    value_or_raise(co_await cms::set_state(tx, in.instance, "running", actor, in.operation, "accepts connections"));
    value_or_raise(
        co_await cms::set_health(tx, in.instance, "healthy", actor, "connection test passed: " + in.version));
    value_or_raise(co_await cms::drop_sealed(tx, in.instance));
    value_or_raise(co_await cms::finish_operation(tx, in.operation, "succeeded",
                                                  {{"k8s_name", in.k8s_name}, {"host", in.address}}, {}));
    co_return Nothing{};
}

}  // namespace toygres::activities
