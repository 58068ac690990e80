// Deletes one Kubernetes object and waits until the API server says that it is gone. Idempotent: an absent one is gone.
#pragma once
#include "activities/instance_ref.hpp"
#include "base/json.hpp"
#include "runtime/host/activity_context.hpp"

#include <optional>
#include <string>
#include <vector>

namespace toygres::activities {

struct RemoveObject {
    static constexpr std::string_view name = "remove_object";
    struct Input {
        std::string kind;
        std::string ns;
        std::string object;
    };
    using Output = Nothing;
    static asio::awaitable<Output> run(runtime::ActivityContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(RemoveObject::Input, (), (kind, ns, object))

}  // namespace toygres::activities
