#include "activities/keep_house.hpp"

#include "cms/idempotency.hpp"
#include "cms/instances.hpp"
#include "cms/operations.hpp"

namespace toygres::activities {

asio::awaitable<KeepHouse::Output> KeepHouse::run(runtime::StepContext& ctx, Input) {
    auto& tx = ctx.sql();
    Output out{};
    for (auto& missing : value_or_raise(co_await cms::list_unmonitored(tx)))
        out.unmonitored.push_back({missing.id, missing.k8s_name, missing.ns, missing.check_interval_ms});
    out.settled_operations = value_or_raise(co_await cms::settle_operations(tx));
    value_or_raise(co_await cms::make_health_partitions(tx, 7));
    value_or_raise(co_await cms::free_keys(tx));
    co_return out;
}

}  // namespace toygres::activities
