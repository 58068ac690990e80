#include "kube/resource.hpp"

#include "base/assert.hpp"
#include "http/message.hpp"

#include <fmt/format.h>

#include <array>

namespace toygres::kube {
namespace {

constexpr std::array kinds{
    KindInfo{"Namespace", "v1", "namespaces", false},
    KindInfo{"Node", "v1", "nodes", false},
    KindInfo{"PersistentVolume", "v1", "persistentvolumes", false},
    KindInfo{"Pod", "v1", "pods", true},
    KindInfo{"Service", "v1", "services", true},
    KindInfo{"Endpoints", "v1", "endpoints", true},
    KindInfo{"Secret", "v1", "secrets", true},
    KindInfo{"ConfigMap", "v1", "configmaps", true},
    KindInfo{"PersistentVolumeClaim", "v1", "persistentvolumeclaims", true},
    KindInfo{"ServiceAccount", "v1", "serviceaccounts", true},
    KindInfo{"Event", "v1", "events", true},
    KindInfo{"StatefulSet", "apps/v1", "statefulsets", true},
    KindInfo{"Deployment", "apps/v1", "deployments", true},
    KindInfo{"Job", "batch/v1", "jobs", true},
    KindInfo{"CronJob", "batch/v1", "cronjobs", true, "batch/v1beta1"},
    KindInfo{"PodDisruptionBudget", "policy/v1", "poddisruptionbudgets", true, "policy/v1beta1"},
    KindInfo{"NetworkPolicy", "networking.k8s.io/v1", "networkpolicies", true},
    KindInfo{"Role", "rbac.authorization.k8s.io/v1", "roles", true},
    KindInfo{"RoleBinding", "rbac.authorization.k8s.io/v1", "rolebindings", true},
    KindInfo{"StorageClass", "storage.k8s.io/v1", "storageclasses", false},
    KindInfo{"Lease", "coordination.k8s.io/v1", "leases", true},
};

}  // namespace

std::string ResourceRef::describe() const {
    const auto where = ns.empty() ? name : name.empty() ? fmt::format("in {}", ns) : fmt::format("{}/{}", ns, name);
    return where.empty() ? kind : fmt::format("{} {}", kind, where);
}

Result<ResourceRef> ref_of(const Json& object) {
    const auto text = [](const Json& from, const char* key) {
        const auto it = from.find(key);
        return it != from.end() && it->is_string() ? it->get<std::string>() : std::string();
    };
    const auto missing = [](std::string_view field) {
        return std::unexpected(
            Error{ErrorKind::invalid, "invalid_object", fmt::format("a Kubernetes object without {}", field)});
    };
    if (!object.is_object()) return missing("content");
    ResourceRef ref{text(object, "apiVersion"), text(object, "kind"), {}, {}};
    if (const auto it = object.find("metadata"); it != object.end()) {
        ref.ns = text(*it, "namespace");
        ref.name = text(*it, "name");
    }
    if (ref.api_version.empty()) return missing("apiVersion");
    if (ref.kind.empty()) return missing("kind");
    if (ref.name.empty()) return missing("metadata.name");
    return ref;
}

const KindInfo* find_kind(std::string_view kind) {
    for (const auto& k : kinds)
        if (k.kind == kind) return &k;
    return nullptr;
}

ResourceRef resource(std::string_view kind, std::string ns, std::string name) {
    const auto* info = find_kind(kind);
    TG_ASSERT(info != nullptr);
    return {std::string(info->api_version), std::string(kind), std::move(ns), std::move(name)};
}

std::string api_root(std::string_view api_version) {
    return fmt::format("{}/{}", api_version.contains('/') ? "/apis" : "/api", api_version);
}

Result<std::string> path_of(const ResourceRef& ref, std::string_view subresource) {
    const auto* info = find_kind(ref.kind);
    if (info == nullptr)
        return std::unexpected(
            Error{ErrorKind::invalid, "unknown_kind", fmt::format("no Kubernetes kind {} is known here", ref.kind)});
    auto path = api_root(ref.api_version);
    if (info->namespaced && !ref.ns.empty()) path += "/namespaces/" + http::percent_encode(ref.ns);
    path += fmt::format("/{}", info->plural);
    if (!ref.name.empty()) path += "/" + http::percent_encode(ref.name);
    if (!subresource.empty()) path += fmt::format("/{}", subresource);
    return path;
}

}  // namespace toygres::kube
