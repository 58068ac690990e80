// Asks an orchestration to cancel and waits until it has ended, its clean-up included. One that has ended, or never
// was, is no error.
#pragma once
#include "activities/instance_ref.hpp"
#include "base/json.hpp"
#include "runtime/host/activity_context.hpp"

#include <optional>
#include <string>
#include <vector>

namespace toygres::activities {

struct CancelOrchestration {
    static constexpr std::string_view name = "cancel_orchestration";
    struct Input {
        std::string id;
        std::string reason;
    };
    struct Output {
        std::string status;  // how it ended; "absent"
    };
    static asio::awaitable<Output> run(runtime::ActivityContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(CancelOrchestration::Input, (), (id, reason))
BOOST_DESCRIBE_STRUCT(CancelOrchestration::Output, (), (status))

}  // namespace toygres::activities
