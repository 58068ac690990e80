#include "localkube/api_routes.hpp"

#include "localkube/api_pod.hpp"
#include "localkube/api_read.hpp"
#include "localkube/api_reviews.hpp"
#include "localkube/api_write.hpp"
#include "localkube/defaults.hpp"

#include <algorithm>

namespace toygres::localkube {
namespace {

constexpr ApiRoute routes[] = {
    {"get", "*", "", get_object, nullptr},
    {"list", "*", "", list_objects, nullptr},
    {"watch", "*", "", nullptr, watch_objects},
    {"create", "*", "", create_object, nullptr},
    {"update", "*", "", update_object, nullptr},
    {"patch", "*", "", patch_object, nullptr},
    {"delete", "*", "", delete_object, nullptr},
    {"deletecollection", "*", "", delete_collection, nullptr},
    {"get", "*", "status", get_object, nullptr},
    {"update", "*", "status", update_object, nullptr},
    {"patch", "*", "status", patch_object, nullptr},
    {"get", "statefulsets", "scale", get_scale, nullptr},
    {"update", "statefulsets", "scale", update_scale, nullptr},
    {"patch", "statefulsets", "scale", patch_scale, nullptr},
    {"get", "pods", "log", nullptr, pod_log},
    {"get", "pods", "exec", nullptr, pod_exec},
    {"create", "pods", "exec", nullptr, pod_exec},
    {"create", "pods", "eviction", evict_pod, nullptr},
    {"create", "serviceaccounts", "token", create_token, nullptr},
    {"create", "selfsubjectaccessreviews", "", self_subject_access_review, nullptr},
    {"create", "selfsubjectreviews", "", self_subject_review, nullptr},
};

bool serves(const ApiRoute& route, const ResourcePath& path) {
    if (route.subresource != path.subresource) return false;
    if (route.resource != "*")
        return route.resource == path.plural &&
               (path.type || path.group == "authorization.k8s.io" || path.group == "authentication.k8s.io");
    return path.type && (path.subresource != "status" || has_status_subresource(*path.type));
}

}  // namespace

const ApiRoute* find_route(const ResourcePath& path, std::string_view verb) {
    for (const auto& route : routes)
        if (route.verb == verb && serves(route, path)) return &route;
    return nullptr;
}

bool has_any_route(const ResourcePath& path) {
    return std::ranges::any_of(routes, [&](const ApiRoute& route) { return serves(route, path); });
}

}  // namespace toygres::localkube
