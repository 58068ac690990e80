// Names of Kubernetes objects and the paths they live at.
#pragma once
#include "base/json.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace toygres::kube {

// One object, or with an empty name the collection that such objects live in.
struct ResourceRef {
    std::string api_version;  // "v1", "apps/v1"
    std::string kind;         // "StatefulSet"
    std::string ns;           // empty for cluster-wide kinds, and for a collection over all namespaces
    std::string name;

    // "StatefulSet toygres/mydb-1a2b3c4d-1": for messages.
    std::string describe() const;
    bool operator==(const ResourceRef&) const = default;
};
BOOST_DESCRIBE_STRUCT(ResourceRef, (), (api_version, kind, ns, name))

// The name of an object that carries apiVersion, kind and metadata. Error: invalid/"invalid_object" with what is
// missing.
Result<ResourceRef> ref_of(const Json& object);

struct KindInfo {
    std::string_view kind;
    std::string_view api_version;  // the version that this release speaks
    std::string_view plural;
    bool namespaced;
    std::string_view fallback_version = {};  // what older servers have in its place
};
// nullptr for a kind that this release does not know.
const KindInfo* find_kind(std::string_view kind);

// {v1, "Pod", ns, name} with the API version filled in from the kind. The kind must be known.
ResourceRef resource(std::string_view kind, std::string ns, std::string name);

// "/apis/apps/v1/namespaces/toygres/statefulsets/mydb-1", with a sub-resource ("status", "scale", "log") at its end.
// Error: invalid/"unknown_kind".
Result<std::string> path_of(const ResourceRef& ref, std::string_view subresource = {});
// "/api/v1" or "/apis/<group>/<version>".
std::string api_root(std::string_view api_version);

}  // namespace toygres::kube
