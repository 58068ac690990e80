// An operation ended without reaching its aim; the instance stays as it is.
#pragma once
#include "activities/instance_ref.hpp"
#include "base/json.hpp"
#include "runtime/host/activity_context.hpp"

#include <optional>
#include <string>
#include <vector>

namespace toygres::activities {

struct FailOperation {
    static constexpr std::string_view name = "cms_fail_operation";
    struct Input {
        std::string operation;
        Error error;
    };
    using Output = Nothing;
    static asio::awaitable<Output> run(runtime::StepContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(FailOperation::Input, (), (operation, error))

}  // namespace toygres::activities
