#include "kube/manifests.hpp"

#include "kube/certificates.hpp"

#include <fmt/format.h>

namespace toygres::kube {
namespace {

Json labels_of(const InstanceSpec& spec, std::optional<std::int64_t> member = std::nullopt) {
    Json labels = {{"app.kubernetes.io/name", "postgresql"},
                   {"app.kubernetes.io/instance", spec.k8s_name},
                   {"app.kubernetes.io/version", spec.postgres_version},
                   {"app.kubernetes.io/component", "database"},
                   {"app.kubernetes.io/managed-by", "toygres"},
                   {"app.kubernetes.io/part-of", "toygres"},
                   {"toygres.io/instance", spec.k8s_name}};
    if (member) labels["toygres.io/member"] = member_name(spec.k8s_name, *member);
    if (spec.installation) labels[std::string(installation_label)] = *spec.installation;
    return labels;
}

// What every template asks for.
Json common_values(const InstanceSpec& spec, std::optional<std::int64_t> member = std::nullopt) {
    return {{"k8s_name", spec.k8s_name},
            {"namespace", spec.ns},
            {"labels", labels_of(spec, member)},
            {"annotations", {{"toygres.io/name", spec.name}, {"toygres.io/instance-id", spec.instance_id}}}};
}

Json with(Json values, std::initializer_list<std::pair<const char*, Json>> more) {
    for (const auto& [key, value] : more) values[key] = value;
    return values;
}

template <class T> Json optional_value(const std::optional<T>& value) { return value ? Json(*value) : Json(); }

Json resources_value(const InstanceSpec& spec) {
    // A request that is absent beside a limit is the limit, by Kubernetes' own rule.
    const auto chosen = spec.resources.value_or(Resources{});
    Json out = Json::object();
    if (!chosen.cpu_limit) out["requests"]["cpu"] = "100m";
    if (!chosen.memory_limit) out["requests"]["memory"] = "256Mi";
    const auto set = [&](const char* list, const char* name, const std::optional<std::string>& quantity) {
        if (quantity) out[list][name] = *quantity;
    };
    set("requests", "cpu", chosen.cpu_request);
    set("requests", "memory", chosen.memory_request);
    set("limits", "cpu", chosen.cpu_limit);
    set("limits", "memory", chosen.memory_limit);
    return out;
}

// The instance's annotations and those that were chosen; the instance's cannot be replaced.
Json with_annotations(const Json& own, const std::optional<std::map<std::string, std::string>>& chosen) {
    Json out = own;
    for (const auto& [key, value] : chosen.value_or(std::map<std::string, std::string>())) out.emplace(key, value);
    return out;
}

Json selects_members(const InstanceSpec& spec) { return {{"matchLabels", {{"toygres.io/instance", spec.k8s_name}}}}; }

// That members stay off each other's nodes is preferred anyway.
Json required_anti_affinity(const InstanceSpec& spec) {
    const auto placement = spec.placement.value_or(Placement{});
    if (placement.spread != Spread::hostname || !placement.spread_required.value_or(false)) return nullptr;
    return Json::array({{{"topologyKey", "kubernetes.io/hostname"}, {"labelSelector", selects_members(spec)}}});
}

Json spread_constraints(const InstanceSpec& spec) {
    const auto placement = spec.placement.value_or(Placement{});
    if (placement.spread != Spread::zone) return nullptr;
    return Json::array(
        {{{"maxSkew", 1},
          {"topologyKey", "topology.kubernetes.io/zone"},
          {"whenUnsatisfiable", placement.spread_required.value_or(false) ? "DoNotSchedule" : "ScheduleAnyway"},
          {"labelSelector", selects_members(spec)}}});
}

Json source_ranges(const InstanceSpec& spec) {
    const auto& ranges = spec.placement.value_or(Placement{}).load_balancer_source_ranges;
    const bool has_any = spec.service_type == ServiceType::LoadBalancer && ranges && !ranges->empty();
    return has_any ? Json(*ranges) : Json();
}

Json pull_secrets_value(const InstanceSpec& spec) {
    if (!spec.image_pull_secrets) return nullptr;
    Json out = Json::array();
    for (const auto& name : *spec.image_pull_secrets) out.push_back({{"name", name}});
    return out;
}

// Renders a list of (template, values); the first error ends it.
using Wanted = std::vector<std::pair<std::string, Json>>;
Result<std::vector<Json>> render_all(const Templates& templates, const Wanted& wanted) {
    std::vector<Json> out;
    for (const auto& [name, values] : wanted) {
        auto object = templates.render(name, values);
        if (!object) return std::unexpected(object.error());
        out.push_back(*std::move(object));
    }
    return out;
}

std::pair<std::string, Json> wanted_topology(const InstanceSpec& spec, const ha::Topology& topology) {
    return {"configmap-topology", with(common_values(spec), {{"topology", ha::format_topology(topology)}})};
}

Wanted wanted_member(const InstanceSpec& spec, std::int64_t member, std::int64_t replicas) {
    const auto name = member_name(spec.k8s_name, member);
    const auto placement = spec.placement.value_or(Placement{});
    // The claim is named after the member alone.
    auto claim = with(
        common_values(spec, member),
        {{"member", name}, {"storage_class", optional_value(spec.storage_class)}, {"storage_gb", spec.storage_gb}});
    claim.erase("k8s_name");
    auto set =
        with(common_values(spec, member),
             {{"member", name},
              {"replicas", replicas},
              {"agent_image", spec.agent_image},
              {"postgres_image", fmt::format("{}:{}", spec.postgres_image.value_or("postgres"), spec.postgres_version)},
              {"image_pull_policy", spec.image_pull_policy.value_or("IfNotPresent")},
              {"image_pull_secrets", pull_secrets_value(spec)},
              {"pod_annotations", with_annotations(common_values(spec)["annotations"], placement.pod_annotations)},
              {"required_anti_affinity", required_anti_affinity(spec)},
              {"spread_constraints", spread_constraints(spec)},
              {"priority_class", optional_value(placement.priority_class)},
              {"node_selector", spec.zone ? Json{{"topology.kubernetes.io/zone", *spec.zone}} : Json()},
              {"resources", resources_value(spec)}});
    return {{"persistentvolumeclaim", std::move(claim)}, {"statefulset", std::move(set)}};
}

}  // namespace

InstanceSecrets make_secrets(const InstanceSpec& spec, std::optional<Secret> superuser_password,
                             std::optional<CertificatePair> ca) {
    const auto& k = spec.k8s_name;
    if (!ca) ca = make_ca("toygres " + k, ca_lifetime);
    auto issued = issue_certificates(*ca, k, spec.ns, {}, CertificatePolicy().lifetime);
    return {superuser_password ? *std::move(superuser_password) : random_password(), random_password(), *std::move(ca),
            std::move(issued.server), std::move(issued.client)};
}

std::string member_name(const std::string& k8s_name, std::int64_t member) {
    return fmt::format("{}-{}", k8s_name, member);
}
std::string member_pod(const std::string& k8s_name, std::int64_t member) {
    return fmt::format("{}-{}-0", k8s_name, member);
}
std::string member_claim(const std::string& k8s_name, std::int64_t member) {
    return fmt::format("{}-{}-data", k8s_name, member);
}
std::string superuser_secret(const std::string& k8s_name) { return k8s_name + "-superuser"; }
std::string replication_secret(const std::string& k8s_name) { return k8s_name + "-replication"; }
std::string tls_secret(const std::string& k8s_name) { return k8s_name + "-tls"; }
std::string ca_secret(const std::string& k8s_name) { return k8s_name + "-ca"; }
std::string topology_config_map(const std::string& k8s_name) { return k8s_name + "-topology"; }
std::string rw_service(const std::string& k8s_name) { return k8s_name; }
std::string ro_service(const std::string& k8s_name) { return k8s_name + "-ro"; }
std::string members_service(const std::string& k8s_name) { return k8s_name + "-members"; }
std::string member_host(const std::string& k8s_name, const std::string& ns, std::int64_t member) {
    return fmt::format("{}.{}.{}.svc.cluster.local", member_pod(k8s_name, member), members_service(k8s_name), ns);
}

std::string instance_selector(const std::string& k8s_name) {
    return fmt::format("app.kubernetes.io/managed-by=toygres,toygres.io/instance={}", k8s_name);
}
std::string managed_selector() { return "app.kubernetes.io/managed-by=toygres,toygres.io/instance"; }
std::string member_selector(const std::string& k8s_name, std::int64_t member) {
    return fmt::format("{},toygres.io/member={}", instance_selector(k8s_name), member_name(k8s_name, member));
}

Json role_label_patch(ha::Role role) {
    const Json value = role == ha::Role::none ? Json() : Json(enum_name(role));
    return {{"metadata", {{"labels", {{std::string(role_label), value}}}}}};
}

ha::Topology first_topology(const InstanceSpec& spec) {
    ha::Topology topology{1, 1, member_name(spec.k8s_name, 1), {}, false};
    for (std::int64_t m = 1; m <= spec.members; ++m) topology.members[member_name(spec.k8s_name, m)] = {};
    return topology;
}

Result<std::vector<Json>> secret_objects(const Templates& templates, const InstanceSpec& spec,
                                         const InstanceSecrets& secrets) {
    const auto connection =
        connection_keys(secrets.superuser_password.reveal(), spec.k8s_name, spec.ns, secrets.ca.certificate_pem);
    return render_all(
        templates,
        {{"secret-ca", with(common_values(spec), {{"ca_certificate", secrets.ca.certificate_pem},
                                                  {"ca_key", secrets.ca.private_key_pem.reveal()}})},
         {"secret-superuser", with(common_values(spec), {{"connection", Json(connection)}})},
         {"secret-replication", with(common_values(spec), {{"username", std::string(replication_user)},
                                                           {"password", secrets.replication_password.reveal()}})},
         {"secret-tls", with(common_values(spec), {{"ca_certificate", secrets.ca.certificate_pem},
                                                   {"server_certificate", secrets.server.certificate_pem},
                                                   {"server_key", secrets.server.private_key_pem.reveal()},
                                                   {"client_certificate", secrets.client.certificate_pem},
                                                   {"client_key", secrets.client.private_key_pem.reveal()}})}});
}

Result<std::vector<Json>> instance_objects(const Templates& templates, const InstanceSpec& spec,
                                           const ha::Topology& topology) {
    const auto common = common_values(spec);
    auto traffic = common;
    traffic["annotations"] =
        with_annotations(common["annotations"], spec.placement.value_or(Placement{}).service_annotations);
    Wanted wanted{
        {"serviceaccount", common},
        {"role", common},
        {"rolebinding", common},
        wanted_topology(spec, topology),
        {"networkpolicy", common},
        {"service-members", common},
        {"service",
         with(traffic, {{"service_type", enum_name(spec.service_type)}, {"source_ranges", source_ranges(spec)}})},
        {"service-ro", traffic},
        {"poddisruptionbudget", common},
    };
    for (std::int64_t m = 1; m <= spec.members; ++m) {
        const auto known = topology.members.find(member_name(spec.k8s_name, m));
        if (known == topology.members.end()) continue;
        for (auto& one : wanted_member(spec, m, known->second.fenced.value_or(false) ? 0 : 1))
            wanted.push_back(std::move(one));
    }
    return render_all(templates, wanted);
}

Result<Json> topology_object(const Templates& templates, const InstanceSpec& spec, const ha::Topology& topology) {
    const auto [name, values] = wanted_topology(spec, topology);
    return templates.render(name, values);
}

Result<std::vector<Json>> member_objects(const Templates& templates, const InstanceSpec& spec, std::int64_t member,
                                         std::int64_t replicas) {
    return render_all(templates, wanted_member(spec, member, replicas));
}

std::vector<ResourceRef> deletion_order(const std::string& k8s_name, const std::string& ns, std::int64_t members) {
    std::vector<ResourceRef> out;
    const auto add = [&](const char* kind, const std::string& name) { out.push_back(resource(kind, ns, name)); };
    add("Service", rw_service(k8s_name));
    add("Service", ro_service(k8s_name));
    // Without it no primary waits for a standby to take over from it.
    add("ConfigMap", topology_config_map(k8s_name));
    for (auto m = members; m >= 1; --m) add("StatefulSet", member_name(k8s_name, m));
    // Deleting a StatefulSet leaves its pod to the garbage collector; the disk must not go before the pod.
    for (auto m = members; m >= 1; --m) add("Pod", member_pod(k8s_name, m));
    add("PodDisruptionBudget", k8s_name);
    add("Service", members_service(k8s_name));
    add("NetworkPolicy", k8s_name);
    for (auto m = members; m >= 1; --m) add("PersistentVolumeClaim", member_claim(k8s_name, m));
    add("RoleBinding", k8s_name);
    add("Role", k8s_name);
    add("ServiceAccount", k8s_name);
    add("Secret", tls_secret(k8s_name));
    add("Secret", ca_secret(k8s_name));
    add("Secret", replication_secret(k8s_name));
    add("Secret", superuser_secret(k8s_name));
    return out;
}

std::vector<std::string> swept_kinds() {
    return {"Service",   "StatefulSet", "Pod",  "PodDisruptionBudget", "NetworkPolicy", "PersistentVolumeClaim",
            "ConfigMap", "RoleBinding", "Role", "ServiceAccount",      "Secret"};
}

Result<void> validate(const Templates& templates) {
    InstanceSpec spec{"example",
                      "00000000-0000-4000-8000-000000000000",
                      "example-00000000",
                      "toygres",
                      "17",
                      10,
                      1,
                      ServiceType::ClusterIP,
                      "toygres-agent:0",
                      std::nullopt,
                      std::nullopt,
                      std::nullopt,
                      std::nullopt,
                      std::nullopt,
                      std::nullopt};
    const CertificatePair none{"certificate", Secret("key")};
    const auto secrets = secret_objects(templates, spec, {Secret("password"), Secret("password"), none, none, none});
    if (!secrets) return std::unexpected(secrets.error());
    const auto objects = instance_objects(templates, spec, first_topology(spec));
    if (!objects) return std::unexpected(objects.error());
    for (const auto* list : {&*secrets, &*objects})
        for (const auto& object : *list) {
            const auto ref = ref_of(object);
            if (!ref) return std::unexpected(ref.error());
            if (const auto path = path_of(*ref); !path) return std::unexpected(path.error());
        }
    return {};
}

}  // namespace toygres::kube
