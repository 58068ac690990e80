// The Kubernetes objects of an instance that exist, by its labels, in the order in which to remove them.
#pragma once
#include "activities/instance_ref.hpp"
#include "base/json.hpp"
#include "runtime/host/activity_context.hpp"

#include <optional>
#include <string>
#include <vector>

namespace toygres::activities {

struct ListObjects {
    static constexpr std::string_view name = "list_objects";
    using Input = InstanceRef;
    struct Object {
        std::string kind;
        std::string object;
    };
    struct Output {
        std::vector<Object> objects;
    };
    static asio::awaitable<Output> run(runtime::ActivityContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(ListObjects::Object, (), (kind, object))
BOOST_DESCRIBE_STRUCT(ListObjects::Output, (), (objects))

}  // namespace toygres::activities
