// Proves that what is committed on the primary can be read on each standby, for an operator who asked.
#pragma once
#include "activities/verify_marker.hpp"
#include "ha/model.hpp"
#include "runtime/core/orchestration_context.hpp"

#include <string>

namespace toygres::orchestrations {

struct VerifyReplication {
    static constexpr std::string_view name = "verify_replication";
    static constexpr int version = 1;
    struct Input {
        activities::InstanceRef instance;
        std::string operation;
        std::int64_t timeout_ms;
    };
    using Output = activities::VerifyMarker::Output;
    // The operation ends with the output, or fails: conflict/"not_replicated" names the standbys that did not show it.
    static runtime::Task<Output> run(runtime::OrchestrationContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(VerifyReplication::Input, (), (instance, operation, timeout_ms))

}  // namespace toygres::orchestrations
