#include "localkube/defaults.hpp"

#include "base/crypto.hpp"

#include <algorithm>
#include <array>

namespace toygres::localkube {
namespace {

// 0644, as Kubernetes writes it.
constexpr int default_file_mode = 420;

void fill(Json& object, const char* field, Json value) {
    if (auto& place = object[field]; place.is_null()) place = std::move(value);
}

template <class F> void for_each_item(Json& object, const char* list, F&& f) {
    const auto it = object.find(list);
    if (it != object.end() && it->is_array())
        for (auto& item : *it)
            if (item.is_object()) f(item);
}

template <class F> void if_object(Json& object, const char* field, F&& f) {
    const auto it = object.find(field);
    if (it != object.end() && it->is_object()) f(*it);
}

void fill_probe(Json& probe) {
    fill(probe, "timeoutSeconds", 1);
    fill(probe, "periodSeconds", 10);
    fill(probe, "successThreshold", 1);
    fill(probe, "failureThreshold", 3);
    if_object(probe, "httpGet", [](Json& get) {
        fill(get, "path", "/");
        fill(get, "scheme", "HTTP");
    });
}

// Always for a moving tag.
std::string pull_policy_of(const std::string& image) {
    const auto name = image.substr(image.rfind('/') + 1);
    if (name.find('@') != std::string::npos) return "IfNotPresent";
    const auto colon = name.find(':');
    return colon == std::string::npos || name.substr(colon) == ":latest" ? "Always" : "IfNotPresent";
}

void fill_container(Json& container) {
    fill(container, "terminationMessagePath", "/dev/termination-log");
    fill(container, "terminationMessagePolicy", "File");
    fill(container, "resources", Json::object());
    if (container.contains("image") && container["image"].is_string())
        fill(container, "imagePullPolicy", pull_policy_of(container["image"].get<std::string>()));
    for_each_item(container, "ports", [](Json& port) { fill(port, "protocol", "TCP"); });
    for (const char* probe : {"livenessProbe", "readinessProbe", "startupProbe"})
        if_object(container, probe, fill_probe);
    for_each_item(container, "env", [](Json& variable) {
        if_object(variable, "valueFrom", [](Json& from) {
            if_object(from, "fieldRef", [](Json& field) { fill(field, "apiVersion", "v1"); });
        });
    });
    // Limits are requests where there are none.
    if_object(container, "resources", [](Json& resources) {
        if_object(resources, "limits", [&](Json& limits) {
            for (const auto& [name, value] : limits.items()) fill(resources["requests"], name.c_str(), value);
        });
    });
}

void fill_items_field_version(Json& source) {
    for_each_item(source, "items", [](Json& item) {
        if_object(item, "fieldRef", [](Json& field) { fill(field, "apiVersion", "v1"); });
    });
}

void fill_volume(Json& volume) {
    if (volume.size() == 1 && volume.contains("name")) volume["emptyDir"] = Json::object();
    for (const char* kind : {"secret", "configMap", "projected", "downwardAPI"})
        if_object(volume, kind, [](Json& source) { fill(source, "defaultMode", default_file_mode); });
    if_object(volume, "downwardAPI", fill_items_field_version);
    if_object(volume, "projected", [](Json& projected) {
        for_each_item(projected, "sources", [](Json& source) {
            if_object(source, "serviceAccountToken", [](Json& token) { fill(token, "expirationSeconds", 3600); });
            if_object(source, "downwardAPI", fill_items_field_version);
        });
    });
    if_object(volume, "hostPath", [](Json& path) { fill(path, "type", ""); });
}

void fill_pod_spec(Json& spec) {
    fill(spec, "restartPolicy", "Always");
    fill(spec, "terminationGracePeriodSeconds", 30);
    fill(spec, "dnsPolicy", "ClusterFirst");
    fill(spec, "schedulerName", "default-scheduler");
    fill(spec, "securityContext", Json::object());
    for (const char* list : {"containers", "initContainers"}) for_each_item(spec, list, fill_container);
    for_each_item(spec, "volumes", fill_volume);
    if (spec.contains("serviceAccountName")) fill(spec, "serviceAccount", spec["serviceAccountName"]);
}

void fill_template(Json& object) {
    if_object(object, "template", [](Json& pod_template) { if_object(pod_template, "spec", fill_pod_spec); });
}

void fill_claim_spec(Json& spec) { fill(spec, "volumeMode", "Filesystem"); }

void fill_pod(Json& object) {
    if_object(object, "spec", [](Json& spec) {
        fill_pod_spec(spec);
        fill(spec, "enableServiceLinks", true);
        fill(spec, "serviceAccountName", "default");
        fill(spec, "serviceAccount", spec["serviceAccountName"]);
    });
}

void fill_service(Json& object) {
    if_object(object, "spec", [](Json& spec) {
        fill(spec, "type", "ClusterIP");
        fill(spec, "sessionAffinity", "None");
        const auto type = spec["type"];
        if (type != "ExternalName") {
            fill(spec, "internalTrafficPolicy", "Cluster");
            fill(spec, "ipFamilyPolicy", "SingleStack");
            fill(spec, "ipFamilies", Json::array({"IPv4"}));
        }
        if (type == "LoadBalancer" || type == "NodePort") fill(spec, "externalTrafficPolicy", "Cluster");
        if (type == "LoadBalancer") fill(spec, "allocateLoadBalancerNodePorts", true);
        if (spec.contains("clusterIP") && spec["clusterIP"].is_string() && spec["clusterIP"] != "")
            fill(spec, "clusterIPs", Json::array({spec["clusterIP"]}));
        for_each_item(spec, "ports", [](Json& port) {
            fill(port, "protocol", "TCP");
            if (port.contains("port")) fill(port, "targetPort", port["port"]);
        });
    });
}

void fill_secret(Json& object) {
    fill(object, "type", "Opaque");
    if_object(object, "stringData", [&](Json& text) {
        for (const auto& [name, value] : text.items())
            if (value.is_string()) object["data"][name] = base64_encode(value.get_ref<const std::string&>());
    });
    object.erase("stringData");
}

void fill_claim(Json& object) { if_object(object, "spec", fill_claim_spec); }

void fill_stateful_set(Json& object) {
    if_object(object, "spec", [](Json& spec) {
        fill(spec, "replicas", 1);
        fill(spec, "podManagementPolicy", "OrderedReady");
        fill(spec, "revisionHistoryLimit", 10);
        fill(spec, "updateStrategy", {{"type", "RollingUpdate"}});
        if_object(spec, "updateStrategy", [](Json& strategy) {
            fill(strategy, "type", "RollingUpdate");
            if (strategy["type"] == "RollingUpdate") {
                fill(strategy, "rollingUpdate", Json::object());
                fill(strategy["rollingUpdate"], "partition", 0);
            }
        });
        fill(spec, "persistentVolumeClaimRetentionPolicy", {{"whenDeleted", "Retain"}, {"whenScaled", "Retain"}});
        fill(spec, "serviceName", "");
        fill_template(spec);
        for_each_item(spec, "volumeClaimTemplates", [](Json& claim) {
            fill(claim, "kind", "PersistentVolumeClaim");
            fill(claim, "apiVersion", "v1");
            fill_claim(claim);
            fill(claim, "status", {{"phase", "Pending"}});
        });
    });
}

void fill_job_spec(Json& spec) {
    fill(spec, "backoffLimit", 6);
    fill(spec, "completionMode", "NonIndexed");
    fill(spec, "suspend", false);
    fill(spec, "podReplacementPolicy", "TerminatingOrFailed");
    if (!spec.contains("completions") && !spec.contains("parallelism")) spec["completions"] = 1;
    fill(spec, "parallelism", 1);
    fill_template(spec);
}

void fill_job(Json& object) { if_object(object, "spec", fill_job_spec); }

void fill_cron_job(Json& object) {
    if_object(object, "spec", [](Json& spec) {
        fill(spec, "concurrencyPolicy", "Allow");
        fill(spec, "suspend", false);
        fill(spec, "successfulJobsHistoryLimit", 3);
        fill(spec, "failedJobsHistoryLimit", 1);
        if_object(spec, "jobTemplate", [](Json& job) { if_object(job, "spec", fill_template); });
    });
}

void fill_network_policy(Json& object) {
    if_object(object, "spec", [](Json& spec) {
        if (!spec.contains("policyTypes")) {
            spec["policyTypes"] = Json::array({"Ingress"});
            if (spec.contains("egress")) spec["policyTypes"].push_back("Egress");
        }
    });
}

void fill_role_binding(Json& object) {
    if_object(object, "roleRef", [](Json& ref) { fill(ref, "apiGroup", "rbac.authorization.k8s.io"); });
}

// metadata.name of a namespace as a label, as every namespace carries it.
void fill_namespace(Json& object) {
    if (object.contains("metadata") && object["metadata"].contains("name"))
        object["metadata"]["labels"]["kubernetes.io/metadata.name"] = object["metadata"]["name"];
}

struct Filler {
    std::string_view resource;
    void (*fill)(Json& object);
};
constexpr Filler fillers[] = {
    {"pods", fill_pod},
    {"services", fill_service},
    {"secrets", fill_secret},
    {"persistentvolumeclaims", fill_claim},
    {"statefulsets", fill_stateful_set},
    {"jobs", fill_job},
    {"cronjobs", fill_cron_job},
    {"networkpolicies", fill_network_policy},
    {"rolebindings", fill_role_binding},
    {"namespaces", fill_namespace},
};

struct StatusKind {
    std::string_view resource;
    const char* initial;
};
constexpr StatusKind status_kinds[] = {
    {"pods", R"({"phase": "Pending", "qosClass": "BestEffort"})"},
    {"services", R"({"loadBalancer": {}})"},
    {"persistentvolumeclaims", R"({"phase": "Pending"})"},
    {"persistentvolumes", R"({"phase": "Available"})"},
    {"statefulsets", R"({"replicas": 0, "availableReplicas": 0})"},
    {"jobs", "{}"},
    {"cronjobs", "{}"},
    {"namespaces", R"({"phase": "Active"})"},
    {"nodes", "{}"},
    {"poddisruptionbudgets",
     R"({"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0})"},
};

const StatusKind* find_status_kind(const ResourceType& type) {
    const auto* it = std::ranges::find(status_kinds, std::string_view(type.plural), &StatusKind::resource);
    return it == std::end(status_kinds) ? nullptr : it;
}

}  // namespace

void fill_defaults(const ResourceType& type, Object& object) {
    const auto* it = std::ranges::find(fillers, std::string_view(type.plural), &Filler::resource);
    if (it != std::end(fillers)) it->fill(object);
}

Json initial_status(const ResourceType& type) {
    const auto* kind = find_status_kind(type);
    return kind ? Json::parse(kind->initial) : Json();
}

bool has_status_subresource(const ResourceType& type) { return find_status_kind(type) != nullptr; }

}  // namespace toygres::localkube
