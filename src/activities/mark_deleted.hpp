// Nothing is left of the instance but its record: the name is free, the operation has succeeded.
#pragma once
#include "activities/instance_ref.hpp"
#include "base/json.hpp"
#include "runtime/host/activity_context.hpp"

#include <optional>
#include <string>
#include <vector>

namespace toygres::activities {

struct MarkDeleted {
    static constexpr std::string_view name = "cms_mark_deleted";
    struct Input {
        std::string instance;
        std::string operation;
    };
    using Output = Nothing;
    static asio::awaitable<Output> run(runtime::StepContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(MarkDeleted::Input, (), (instance, operation))

}  // namespace toygres::activities
