// The supervisor's round: running instances without a monitor, operations whose orchestration ended, coming partitions,
// idempotency keys of yesterday.
#pragma once
#include "activities/instance_ref.hpp"
#include "base/json.hpp"
#include "runtime/host/activity_context.hpp"

#include <optional>
#include <string>
#include <vector>

namespace toygres::activities {

struct KeepHouse {
    static constexpr std::string_view name = "cms_keep_house";
    using Input = Nothing;
    struct Missing {
        std::string instance;
        std::string k8s_name;
        std::string ns;
        std::int64_t check_interval_ms;
    };
    struct Output {
        std::vector<Missing> unmonitored;
        int settled_operations;
    };
    static asio::awaitable<Output> run(runtime::StepContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(KeepHouse::Missing, (), (instance, k8s_name, ns, check_interval_ms))
BOOST_DESCRIBE_STRUCT(KeepHouse::Output, (), (unmonitored, settled_operations))

}  // namespace toygres::activities
