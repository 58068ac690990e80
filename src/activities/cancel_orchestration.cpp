#include "activities/cancel_orchestration.hpp"

#include "activities/instance_services.hpp"

namespace toygres::activities {

asio::awaitable<CancelOrchestration::Output> CancelOrchestration::run(runtime::ActivityContext& ctx, Input in) {
    auto& client = ctx.service<InstanceServices>().orchestrations;
    const auto sent = co_await client.cancel(in.id, in.reason);
    if (!sent && sent.error().code == "orchestration_not_found") co_return Output{"absent"};
    if (!sent && sent.error().code != "orchestration_finished") throw ErrorException(sent.error());
    const auto row = value_or_raise(co_await client.wait(in.id, std::chrono::seconds(50)));
    co_return Output{enum_name(row.status)};
}

}  // namespace toygres::activities
