// Labels a member's pod as the primary, so that the read-write Service routes to it. Idempotent.
#pragma once
#include "activities/instance_ref.hpp"
#include "base/json.hpp"
#include "runtime/host/activity_context.hpp"

#include <optional>
#include <string>
#include <vector>

namespace toygres::activities {

struct AssignRole {
    static constexpr std::string_view name = "assign_role";
    struct Input {
        std::string k8s_name;
        std::string ns;
        int member;
    };
    using Output = Nothing;
    static asio::awaitable<Output> run(runtime::ActivityContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(AssignRole::Input, (), (k8s_name, ns, member))

}  // namespace toygres::activities
