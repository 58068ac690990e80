// The deletion begins. An instance that is gone already is told by the output.
#pragma once
#include "activities/instance_ref.hpp"
#include "base/json.hpp"
#include "runtime/host/activity_context.hpp"

#include <optional>
#include <string>
#include <vector>

namespace toygres::activities {

struct MarkDeleting {
    static constexpr std::string_view name = "cms_mark_deleting";
    struct Input {
        std::string instance;
        std::string operation;
    };
    struct Output {
        bool deleted_already;
    };
    static asio::awaitable<Output> run(runtime::StepContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(MarkDeleting::Input, (), (instance, operation))
BOOST_DESCRIBE_STRUCT(MarkDeleting::Output, (), (deleted_already))

}  // namespace toygres::activities
