// Waits, by a watch, until a member's pod is Ready; meanwhile the operation's progress tells why it is not. Errors:
// invalid/"pod_cannot_start" with the Kubernetes reason, conflict/"member_not_ready" with it in message and details.
#pragma once
#include "activities/instance_ref.hpp"
#include "base/json.hpp"
#include "runtime/host/activity_context.hpp"

#include <optional>
#include <string>
#include <vector>

namespace toygres::activities {

struct WaitForReady {
    static constexpr std::string_view name = "wait_for_ready";
    static constexpr auto activity_load = runtime::ActivityLoad::waits;
    struct Input {
        std::string k8s_name;
        std::string ns;
        int member;
        std::int64_t timeout_ms;
    };
    struct Output {
        std::string pod_ip;
    };
    static asio::awaitable<Output> run(runtime::ActivityContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(WaitForReady::Input, (), (k8s_name, ns, member, timeout_ms))
BOOST_DESCRIBE_STRUCT(WaitForReady::Output, (), (pod_ip))

}  // namespace toygres::activities
