// An operation reached its aim; the instance stays as it is.
#pragma once
#include "activities/instance_ref.hpp"
#include "base/json.hpp"
#include "runtime/host/activity_context.hpp"

#include <string>

namespace toygres::activities {

struct EndOperation {
    static constexpr std::string_view name = "cms_end_operation";
    struct Input {
        std::string operation;
        Json result;
    };
    using Output = Nothing;
    static asio::awaitable<Output> run(runtime::StepContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(EndOperation::Input, (), (operation, result))

}  // namespace toygres::activities
