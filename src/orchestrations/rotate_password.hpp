// Gives the superuser of an instance the password that was sealed with the request.
#pragma once
#include "activities/rotate_password.hpp"
#include "runtime/core/orchestration_context.hpp"

#include <string>

namespace toygres::orchestrations {

struct RotatePassword {
    static constexpr std::string_view name = "rotate_password";
    static constexpr int version = 1;
    struct Input {
        activities::InstanceRef instance;
        std::string operation;
    };
    using Output = Nothing;
    // A failure after the Secret was replaced is made good by the agent, which sets what the Secret says.
    static runtime::Task<Output> run(runtime::OrchestrationContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(RotatePassword::Input, (), (instance, operation))

}  // namespace toygres::orchestrations
