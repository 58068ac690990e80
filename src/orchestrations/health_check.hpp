// The instance's monitor. It looks every check_interval as a user would connect, changes its mind after three failures
// in a row or one success, and writes changes at once and a summary every five minutes. In between it tends
// replication: whatever happens to the members, and what operators ask for, goes through it and nobody else. It ends
// when it is cancelled or the instance is gone. The query "state" gives what it carries on, the update "check" has it
// look at once.
#pragma once
#include "runtime/core/orchestration_context.hpp"

#include <optional>
#include <string>

namespace toygres::orchestrations {

struct HealthCheck {
    static constexpr std::string_view name = "health_check";
    static constexpr int version = 2;
    // Carried from execution to execution.
    struct Input {
        std::string instance;
        std::string k8s_name;
        std::string ns;
        std::int64_t check_interval_ms;
        std::string status;  // what was last written: healthy | unhealthy | unknown
        int failures_in_a_row;
        Timestamp window_from;  // of the summary being gathered; the epoch: none
        int window_checks;
        int window_failures;
        Timestamp next_check_at;
        std::optional<std::int64_t> lag_bytes;  // as it was last seen
    };
    using Output = Nothing;
    static Input first_input(std::string instance, std::string k8s_name, std::string ns,
                             std::int64_t check_interval_ms);
    static runtime::Task<Output> run(runtime::OrchestrationContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(HealthCheck::Input, (),
                      (instance, k8s_name, ns, check_interval_ms, status, failures_in_a_row, window_from, window_checks,
                       window_failures, next_check_at, lag_bytes))

// The same with a summary each minute, in which executions of earlier releases go on to their end.
struct HealthCheckV1 {
    static constexpr std::string_view name = HealthCheck::name;
    static constexpr int version = 1;
    using Input = HealthCheck::Input;
    using Output = HealthCheck::Output;
    static runtime::Task<Output> run(runtime::OrchestrationContext& ctx, Input in);
};

inline std::string health_check_id(const std::string& k8s_name) { return "health-" + k8s_name; }

}  // namespace toygres::orchestrations
