// The instance is up: state, endpoint, primary and the operation's success, in one transaction; the seal is dropped.
#pragma once
#include "activities/instance_ref.hpp"
#include "base/json.hpp"
#include "runtime/host/activity_context.hpp"

#include <optional>
#include <string>
#include <vector>

namespace toygres::activities {

struct MarkRunning {
    static constexpr std::string_view name = "cms_mark_running";
    struct Input {
        std::string instance;
        std::string operation;
        std::string k8s_name;
        std::string address;
        std::string dns_name;
        std::string monitor;
        std::string version;
    };
    using Output = Nothing;
    static asio::awaitable<Output> run(runtime::StepContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(MarkRunning::Input, (), (instance, operation, k8s_name, address, dns_name, monitor, version))

}  // namespace toygres::activities
