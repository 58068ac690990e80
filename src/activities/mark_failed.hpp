// A creation failed or was cancelled and all it made is gone: the reason is kept, the operation ends.
#pragma once
#include "activities/instance_ref.hpp"
#include "base/json.hpp"
#include "runtime/host/activity_context.hpp"

#include <optional>
#include <string>
#include <vector>

namespace toygres::activities {

struct MarkFailed {
    static constexpr std::string_view name = "cms_mark_failed";
    struct Input {
        std::string instance;
        std::string operation;
        Error error;
    };
    using Output = Nothing;
    static asio::awaitable<Output> run(runtime::StepContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(MarkFailed::Input, (), (instance, operation, error))

}  // namespace toygres::activities
