// Writes a change of health or a summary, and tells the monitor what has become of the instance.
#pragma once
#include "activities/instance_ref.hpp"
#include "base/json.hpp"
#include "runtime/host/activity_context.hpp"

#include <optional>
#include <string>
#include <vector>

namespace toygres::activities {

struct RecordHealth {
    static constexpr std::string_view name = "cms_record_health";
    struct Input {
        std::string instance;
        std::string kind;    // transition | rollup
        std::string status;  // healthy | unhealthy
        std::optional<std::string> version;
        std::int64_t response_time_ms;
        int checks;
        int failures;
        std::optional<std::string> error;
        std::optional<std::int64_t> lag_bytes;  // of the standby furthest behind
    };
    struct Output {
        std::string state;  // of the instance
    };
    static asio::awaitable<Output> run(runtime::StepContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(RecordHealth::Input, (),
                      (instance, kind, status, version, response_time_ms, checks, failures, error, lag_bytes))
BOOST_DESCRIBE_STRUCT(RecordHealth::Output, (), (state))

}  // namespace toygres::activities
