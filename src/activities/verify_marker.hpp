// Proves replication as a user would: a marker is committed on the primary, and read on each standby.
#pragma once
#include "activities/instance_ref.hpp"
#include "base/json.hpp"
#include "runtime/host/activity_context.hpp"

#include <optional>
#include <string>
#include <vector>

namespace toygres::activities {

struct VerifyMarker {
    static constexpr std::string_view name = "verify_marker";
    struct Input {
        InstanceRef instance;
        std::int64_t timeout_ms;  // for each standby to show it
    };
    struct Standby {
        std::string member;
        bool readable;
        std::int64_t after_ms;  // since the commit was acknowledged
        std::optional<std::string> error;
    };
    struct Output {
        std::string marker;
        std::string primary;
        std::int64_t committed_ms;  // how long the commit took
        std::vector<Standby> standbys;
    };
    // Errors: conflict/"no_primary" and "no_standby"; what PostgreSQL and Kubernetes give for the primary. A standby
    // that does not show it is a value.
    static asio::awaitable<Output> run(runtime::ActivityContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(VerifyMarker::Input, (), (instance, timeout_ms))
BOOST_DESCRIBE_STRUCT(VerifyMarker::Standby, (), (member, readable, after_ms, error))
BOOST_DESCRIBE_STRUCT(VerifyMarker::Output, (), (marker, primary, committed_ms, standbys))

}  // namespace toygres::activities
