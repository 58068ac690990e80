// One look at an instance as its users reach it: a query, and a log-in unless it is known to be possible (decision 36).
// An instance that does not answer is a result, not an error.
#pragma once
#include "activities/instance_ref.hpp"
#include "base/json.hpp"
#include "runtime/host/activity_context.hpp"

#include <optional>
#include <string>
#include <vector>

namespace toygres::activities {

struct CheckHealth {
    static constexpr std::string_view name = "check_health";
    using Input = InstanceRef;
    struct Output {
        bool healthy;
        std::optional<std::string> version;
        std::int64_t response_time_ms;  // without what a look waits for before its turn
        std::optional<std::string> error;
    };
    // No look was made, since too many others are being made; that says nothing of the instance.
    static constexpr std::string_view not_made = "look_not_made";
    static asio::awaitable<Output> run(runtime::ActivityContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(CheckHealth::Output, (), (healthy, version, response_time_ms, error))

}  // namespace toygres::activities
