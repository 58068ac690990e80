// What people who run instances want to hear of at once: counted, and posted to the webhook of the server.
#pragma once
#include "base/json.hpp"
#include "runtime/host/activity_context.hpp"

#include <string>

namespace toygres::activities {

// In the transaction of the step: who hears of it hears of something that is so. The posting is an orchestration of its
// own, which tries again until it gets through.
asio::awaitable<void> tell_people(runtime::StepContext& ctx, std::string instance, std::string event,
                                  std::string message, Json details);

// The orchestration that does it, started under this name; src/orchestrations/post_alert.hpp.
inline constexpr std::string_view post_alert_orchestration = "post_alert";

// One attempt. `alert`: {"id", "at", "instance", "k8s_name", "event", "message", "details"}; an id that was seen before
// is the same alert once more. Errors: transient/"webhook_failed", and what the HTTP client gives.
struct PostAlert {
    static constexpr std::string_view name = "post_alert";
    struct Input {
        Json alert;
    };
    using Output = Nothing;
    static asio::awaitable<Output> run(runtime::ActivityContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(PostAlert::Input, (), (alert))

}  // namespace toygres::activities
