// One for the whole CMS: starts monitors that are missing, settles operations whose orchestration ended without a word,
// prepares partitions.
#pragma once
#include "runtime/core/orchestration_context.hpp"

namespace toygres::orchestrations {

struct Supervisor {
    static constexpr std::string_view name = "supervisor";
    static constexpr std::string_view id = "supervisor";
    static constexpr int version = 1;
    struct Input {
        std::int64_t interval_ms;
    };
    using Output = Nothing;
    static runtime::Task<Output> run(runtime::OrchestrationContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(Supervisor::Input, (), (interval_ms))

}  // namespace toygres::orchestrations
