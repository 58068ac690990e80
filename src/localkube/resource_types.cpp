#include "localkube/object_store.hpp"

namespace toygres::localkube {

const std::vector<ResourceType>& resource_types() {
    // The first entry of a kind is its preferred version.
    static const std::vector<ResourceType> types{
        {"", "v1", "Namespace", "namespaces", "namespace", {"ns"}, false},
        {"", "v1", "Node", "nodes", "node", {"no"}, false},
        {"", "v1", "PersistentVolume", "persistentvolumes", "persistentvolume", {"pv"}, false},
        {"", "v1", "Pod", "pods", "pod", {"po"}, true},
        {"", "v1", "Service", "services", "service", {"svc"}, true},
        {"", "v1", "Endpoints", "endpoints", "endpoints", {"ep"}, true},
        {"", "v1", "Secret", "secrets", "secret", {}, true},
        {"", "v1", "ConfigMap", "configmaps", "configmap", {"cm"}, true},
        {"", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", "persistentvolumeclaim", {"pvc"}, true},
        {"", "v1", "ServiceAccount", "serviceaccounts", "serviceaccount", {"sa"}, true},
        {"", "v1", "Event", "events", "event", {"ev"}, true},
        {"apps", "v1", "StatefulSet", "statefulsets", "statefulset", {"sts"}, true},
        {"batch", "v1", "Job", "jobs", "job", {}, true},
        {"batch", "v1", "CronJob", "cronjobs", "cronjob", {"cj"}, true},
        {"batch", "v1beta1", "CronJob", "cronjobs", "cronjob", {"cj"}, true},
        {"policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", "poddisruptionbudget", {"pdb"}, true},
        {"policy", "v1beta1", "PodDisruptionBudget", "poddisruptionbudgets", "poddisruptionbudget", {"pdb"}, true},
        {"networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", "networkpolicy", {"netpol"}, true},
        {"rbac.authorization.k8s.io", "v1", "Role", "roles", "role", {}, true},
        {"rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", "rolebinding", {}, true},
        {"coordination.k8s.io", "v1", "Lease", "leases", "lease", {}, true},
    };
    return types;
}

const ResourceType* find_resource(std::string_view group, std::string_view version, std::string_view plural) {
    for (const auto& type : resource_types())
        if (type.plural == plural && type.group == group && type.version == version) return &type;
    return nullptr;
}

const ResourceType* find_kind(std::string_view kind) {
    for (const auto& type : resource_types())
        if (type.kind == kind) return &type;
    return nullptr;
}

}  // namespace toygres::localkube
