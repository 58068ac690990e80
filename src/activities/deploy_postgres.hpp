// Applies every other Kubernetes object of an instance. Idempotent: server-side apply, object by object.
#pragma once
#include "activities/instance_ref.hpp"
#include "base/json.hpp"
#include "runtime/host/activity_context.hpp"

#include <optional>
#include <string>
#include <vector>

namespace toygres::activities {

struct DeployPostgres {
    static constexpr std::string_view name = "deploy_postgres";
    static constexpr auto activity_load = runtime::ActivityLoad::heavy;
    using Input = InstanceShape;
    struct Output {
        int changed;  // objects that differed
    };
    static asio::awaitable<Output> run(runtime::ActivityContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(DeployPostgres::Output, (), (changed))

}  // namespace toygres::activities
