// The columns of every kind but pods, after k8s.io/kubernetes/pkg/printers.
#include "localkube/table.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace toygres::localkube {
namespace {

const Json& list_at(const Json& object, std::initializer_list<const char*> path) {
    static const Json none = Json::array();
    const auto& value = value_at(object, path);
    return value.is_array() ? value : none;
}

std::string name_of(const Object& object) { return text_at(object, {"metadata", "name"}); }
std::string object_age(const Object& object) { return age_of(value_at(object, {"metadata", "creationTimestamp"})); }

std::string joined(const Json& list, auto&& text) {
    std::string out;
    for (const auto& item : list) {
        const std::string part = text(item);
        if (!part.empty()) out += (out.empty() ? "" : ",") + part;
    }
    return out.empty() ? "<none>" : out;
}

std::string member_list(const Json& list, const char* field) {
    return joined(list, [&](const Json& item) { return text_at(item, {field}, ""); });
}

// "a=b,c=d"
std::string selector_text(const Json& labels) {
    std::string out;
    if (labels.is_object())
        for (const auto& [key, value] : labels.items())
            out +=
                fmt::format("{}{}={}", out.empty() ? "" : ",", key, value.is_string() ? value.get<std::string>() : "");
    return out.empty() ? "<none>" : out;
}

std::string containers_of(const Object& object) {
    return member_list(list_at(object, {"spec", "template", "spec", "containers"}), "name");
}
std::string images_of(const Object& object) {
    return member_list(list_at(object, {"spec", "template", "spec", "containers"}), "image");
}

Json default_cells(const Object& o) { return Json::array({name_of(o), object_age(o)}); }

Json namespace_cells(const Object& o) {
    return Json::array({name_of(o), text_at(o, {"status", "phase"}), object_age(o)});
}

Json node_cells(const Object& o) {
    std::string status = "Unknown";
    for (const auto& condition : list_at(o, {"status", "conditions"}))
        if (condition.value("type", "") == "Ready")
            status = condition.value("status", "") == "True" ? "Ready" : "NotReady";
    std::string roles;
    for (const auto& [key, value] : value_at(o, {"metadata", "labels"}).items())
        if (key.starts_with("node-role.kubernetes.io/")) roles += (roles.empty() ? "" : ",") + key.substr(24);
    std::string address = "<none>";
    for (const auto& item : list_at(o, {"status", "addresses"}))
        if (item.value("type", "") == "InternalIP") address = item.value("address", "");
    return Json::array({name_of(o), status, roles.empty() ? "<none>" : roles, object_age(o),
                        text_at(o, {"status", "nodeInfo", "kubeletVersion"}), address, "<none>",
                        text_at(o, {"status", "nodeInfo", "osImage"}),
                        text_at(o, {"status", "nodeInfo", "kernelVersion"}),
                        text_at(o, {"status", "nodeInfo", "containerRuntimeVersion"})});
}

std::string external_ip(const Object& o) {
    if (text_at(o, {"spec", "type"}) != "LoadBalancer") return text_at(o, {"spec", "externalName"});
    const auto out = joined(list_at(o, {"status", "loadBalancer", "ingress"}),
                            [](const Json& item) { return text_at(item, {"ip"}, text_at(item, {"hostname"}, "")); });
    return out == "<none>" ? "<pending>" : out;
}

Json service_cells(const Object& o) {
    const auto ports = joined(list_at(o, {"spec", "ports"}), [](const Json& port) {
        const auto node_port = port.value("nodePort", 0);
        return fmt::format("{}{}/{}", port.value("port", 0), node_port ? fmt::format(":{}", node_port) : "",
                           port.value("protocol", "TCP"));
    });
    return Json::array({name_of(o), text_at(o, {"spec", "type"}), text_at(o, {"spec", "clusterIP"}), external_ip(o),
                        ports, object_age(o), selector_text(value_at(o, {"spec", "selector"}))});
}

Json endpoints_cells(const Object& o) {
    std::vector<std::string> addresses;
    for (const auto& subset : list_at(o, {"subsets"})) {
        const auto& ports = list_at(subset, {"ports"});
        for (const auto& address : list_at(subset, {"addresses"})) {
            if (ports.empty()) addresses.push_back(address.value("ip", ""));
            for (const auto& port : ports)
                addresses.push_back(fmt::format("{}:{}", address.value("ip", ""), port.value("port", 0)));
        }
    }
    const auto shown = std::min<std::size_t>(addresses.size(), 3);
    auto text =
        fmt::format("{}", fmt::join(addresses.begin(), addresses.begin() + static_cast<std::ptrdiff_t>(shown), ","));
    if (addresses.size() > shown) text += fmt::format(" + {} more...", addresses.size() - shown);
    return Json::array({name_of(o), text.empty() ? "<none>" : text, object_age(o)});
}

Json secret_cells(const Object& o) {
    return Json::array({name_of(o), text_at(o, {"type"}), value_at(o, {"data"}).size(), object_age(o)});
}

Json config_map_cells(const Object& o) {
    return Json::array({name_of(o), value_at(o, {"data"}).size() + value_at(o, {"binaryData"}).size(), object_age(o)});
}

std::string access_modes(const Json& modes) {
    return joined(modes, [](const Json& mode) -> std::string {
        if (mode == "ReadWriteOnce") return "RWO";
        if (mode == "ReadOnlyMany") return "ROX";
        if (mode == "ReadWriteMany") return "RWX";
        return mode == "ReadWriteOncePod" ? "RWOP" : "";
    });
}

Json claim_cells(const Object& o) {
    const auto volume = text_at(o, {"spec", "volumeName"}, "");
    const bool deleting = value_at(o, {"metadata", "deletionTimestamp"}).is_string();
    const bool bound = !volume.empty();
    return Json::array({name_of(o), deleting ? "Terminating" : text_at(o, {"status", "phase"}), volume,
                        bound ? text_at(o, {"status", "capacity", "storage"}, "") : "",
                        bound ? access_modes(value_at(o, {"status", "accessModes"})) : "",
                        text_at(o, {"spec", "storageClassName"}, ""), "<unset>", object_age(o),
                        text_at(o, {"spec", "volumeMode"}, "")});
}

Json volume_cells(const Object& o) {
    const auto ns = text_at(o, {"spec", "claimRef", "namespace"}, "");
    return Json::array({name_of(o), text_at(o, {"spec", "capacity", "storage"}, ""),
                        access_modes(value_at(o, {"spec", "accessModes"})),
                        text_at(o, {"spec", "persistentVolumeReclaimPolicy"}, ""), text_at(o, {"status", "phase"}),
                        ns.empty() ? "" : ns + "/" + text_at(o, {"spec", "claimRef", "name"}, ""),
                        text_at(o, {"spec", "storageClassName"}, ""), "<unset>", text_at(o, {"status", "reason"}, ""),
                        object_age(o), text_at(o, {"spec", "volumeMode"}, "")});
}

Json service_account_cells(const Object& o) {
    return Json::array({name_of(o), list_at(o, {"secrets"}).size(), object_age(o)});
}

Json event_cells(const Object& o) {
    const auto& first = value_at(o, {"firstTimestamp"});
    const auto& last = value_at(o, {"lastTimestamp"});
    const auto& made = value_at(o, {"metadata", "creationTimestamp"});
    auto kind = text_at(o, {"involvedObject", "kind"}, "");
    std::ranges::transform(kind, kind.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    auto message = text_at(o, {"message"}, "");
    while (!message.empty() && message.back() == '\n') message.pop_back();
    const auto component = text_at(o, {"source", "component"}, text_at(o, {"reportingComponent"}, ""));
    const auto host = text_at(o, {"source", "host"}, "");
    return Json::array({age_of(last.is_string() ? last : made), text_at(o, {"type"}, ""), text_at(o, {"reason"}, ""),
                        kind + "/" + text_at(o, {"involvedObject", "name"}, ""),
                        text_at(o, {"involvedObject", "fieldPath"}, ""), component + (host.empty() ? "" : ", " + host),
                        message, age_of(first.is_string() ? first : made), o.value("count", 1), name_of(o)});
}

Json stateful_set_cells(const Object& o) {
    return Json::array(
        {name_of(o),
         fmt::format("{}/{}", text_at(o, {"status", "readyReplicas"}, "0"), text_at(o, {"spec", "replicas"}, "1")),
         object_age(o), containers_of(o), images_of(o)});
}

bool has_condition(const Object& o, std::string_view type) {
    return std::ranges::any_of(list_at(o, {"status", "conditions"}), [&](const Json& condition) {
        return condition.value("type", "") == type && condition.value("status", "") == "True";
    });
}

Json job_cells(const Object& o) {
    const auto state = has_condition(o, "Complete")                                 ? "Complete"
                       : has_condition(o, "Failed")                                 ? "Failed"
                       : has_condition(o, "Suspended")                              ? "Suspended"
                       : value_at(o, {"metadata", "deletionTimestamp"}).is_string() ? "Terminating"
                                                                                    : "Running";
    const auto started = parse_rfc3339(text_at(o, {"status", "startTime"}, ""));
    const auto completed = parse_rfc3339(text_at(o, {"status", "completionTime"}, ""));
    std::string duration;
    if (started)
        duration = human_age(std::chrono::duration_cast<std::chrono::seconds>(completed.value_or(now()) - *started));
    return Json::array(
        {name_of(o), state,
         fmt::format("{}/{}", text_at(o, {"status", "succeeded"}, "0"), text_at(o, {"spec", "completions"}, "1")),
         duration, object_age(o), containers_of(o), images_of(o),
         selector_text(value_at(o, {"spec", "selector", "matchLabels"}))});
}

Json cron_job_cells(const Object& o) {
    const auto& spec = value_at(o, {"spec", "jobTemplate"});
    const auto& last = value_at(o, {"status", "lastScheduleTime"});
    const bool suspended = value_at(o, {"spec", "suspend"}) == true;
    return Json::array({name_of(o), text_at(o, {"spec", "schedule"}), text_at(o, {"spec", "timeZone"}),
                        suspended ? "True" : "False", list_at(o, {"status", "active"}).size(),
                        last.is_string() ? age_of(last) : "<none>", object_age(o), containers_of(spec), images_of(spec),
                        "<none>"});
}

Json disruption_budget_cells(const Object& o) {
    return Json::array({name_of(o), text_at(o, {"spec", "minAvailable"}, "N/A"),
                        text_at(o, {"spec", "maxUnavailable"}, "N/A"),
                        value_at(o, {"status"}).value("disruptionsAllowed", 0), object_age(o)});
}

Json network_policy_cells(const Object& o) {
    return Json::array({name_of(o), selector_text(value_at(o, {"spec", "podSelector", "matchLabels"})), object_age(o)});
}

Json role_cells(const Object& o) { return Json::array({name_of(o), text_at(o, {"metadata", "creationTimestamp"})}); }

Json role_binding_cells(const Object& o) {
    const auto subjects = [&](const char* kind) {
        return joined(list_at(o, {"subjects"}), [&](const Json& subject) -> std::string {
            if (subject.value("kind", "") != kind) return "";
            const auto ns = subject.value("namespace", "");
            return (ns.empty() ? "" : ns + "/") + subject.value("name", "");
        });
    };
    const auto blank = [](std::string text) { return text == "<none>" ? std::string() : text; };
    return Json::array({name_of(o), text_at(o, {"roleRef", "kind"}) + "/" + text_at(o, {"roleRef", "name"}),
                        object_age(o), blank(subjects("User")), blank(subjects("Group")),
                        blank(subjects("ServiceAccount"))});
}

Json lease_cells(const Object& o) {
    return Json::array({name_of(o), text_at(o, {"spec", "holderIdentity"}, ""), object_age(o)});
}

constexpr TableColumn name_column{"Name", "string", false};
constexpr TableColumn age_column{"Age", "string", false};
TableColumn text(const char* name) { return {name, "string", false}; }
TableColumn number(const char* name) { return {name, "integer", false}; }
TableColumn wide(const char* name) { return {name, "string", true}; }

const std::vector<TableKind>& kinds() {
    static const std::vector<TableKind> all{
        {"", {name_column, age_column}, default_cells},
        {"pods",
         {name_column, text("Ready"), text("Status"), text("Restarts"), age_column, wide("IP"), wide("Node"),
          wide("Nominated Node"), wide("Readiness Gates")},
         pod_cells},
        {"namespaces", {name_column, text("Status"), age_column}, namespace_cells},
        {"nodes",
         {name_column, text("Status"), text("Roles"), age_column, text("Version"), wide("Internal-IP"),
          wide("External-IP"), wide("OS-Image"), wide("Kernel-Version"), wide("Container-Runtime")},
         node_cells},
        {"services",
         {name_column, text("Type"), text("Cluster-IP"), text("External-IP"), text("Port(s)"), age_column,
          wide("Selector")},
         service_cells},
        {"endpoints", {name_column, text("Endpoints"), age_column}, endpoints_cells},
        {"secrets", {name_column, text("Type"), number("Data"), age_column}, secret_cells},
        {"configmaps", {name_column, number("Data"), age_column}, config_map_cells},
        {"persistentvolumeclaims",
         {name_column, text("Status"), text("Volume"), text("Capacity"), text("Access Modes"), text("StorageClass"),
          text("VolumeAttributesClass"), age_column, wide("VolumeMode")},
         claim_cells},
        {"persistentvolumes",
         {name_column, text("Capacity"), text("Access Modes"), text("Reclaim Policy"), text("Status"), text("Claim"),
          text("StorageClass"), text("VolumeAttributesClass"), text("Reason"), age_column, wide("VolumeMode")},
         volume_cells},
        {"serviceaccounts", {name_column, number("Secrets"), age_column}, service_account_cells},
        {"events",
         {text("Last Seen"),
          text("Type"),
          text("Reason"),
          text("Object"),
          wide("Subobject"),
          wide("Source"),
          text("Message"),
          wide("First Seen"),
          {"Count", "integer", true},
          {"Name", "string", true}},
         event_cells},
        {"statefulsets",
         {name_column, text("Ready"), age_column, wide("Containers"), wide("Images")},
         stateful_set_cells},
        {"jobs",
         {name_column, text("Status"), text("Completions"), text("Duration"), age_column, wide("Containers"),
          wide("Images"), wide("Selector")},
         job_cells},
        {"cronjobs",
         {name_column, text("Schedule"), text("Timezone"), text("Suspend"), number("Active"), text("Last Schedule"),
          age_column, wide("Containers"), wide("Images"), wide("Selector")},
         cron_job_cells},
        {"poddisruptionbudgets",
         {name_column, text("Min Available"), text("Max Unavailable"), number("Allowed Disruptions"), age_column},
         disruption_budget_cells},
        {"networkpolicies", {name_column, text("Pod-Selector"), age_column}, network_policy_cells},
        {"roles", {name_column, text("Created At")}, role_cells},
        {"rolebindings",
         {name_column, text("Role"), age_column, wide("Users"), wide("Groups"), wide("ServiceAccounts")},
         role_binding_cells},
        {"leases", {name_column, text("Holder"), age_column}, lease_cells},
    };
    return all;
}

}  // namespace

const TableKind& table_kind(std::string_view resource) {
    const auto it = std::ranges::find(kinds(), resource, &TableKind::resource);
    return it == kinds().end() ? kinds().front() : *it;
}

}  // namespace toygres::localkube
