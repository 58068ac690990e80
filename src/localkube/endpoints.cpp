#include "localkube/endpoints.hpp"

#include "localkube/object_fields.hpp"

#include <map>

namespace toygres::localkube {
namespace {

bool is_ready(const Object& pod) {
    return std::ranges::any_of(list_at(pod, "status.conditions"), [](const auto& condition) {
        return text_at(condition, "type") == "Ready" && text_at(condition, "status") == "True";
    });
}

// A port of the pod by its name; 0 when it has none.
std::int64_t named_port(const Object& pod, const std::string& name) {
    for (const auto& container : list_at(pod, "spec.containers"))
        for (const auto& port : list_at(container, "ports"))
            if (text_at(port, "name") == name) return int_at(port, "containerPort");
    return 0;
}

Object ports_of(const Object& service, const Object& pod) {
    Object out = Object::array();
    for (const auto& port : list_at(service, "spec.ports")) {
        const auto& target = field_at(port, "targetPort");
        const auto number = target.is_string() ? named_port(pod, target.get<std::string>())
                                               : int_at(port, "targetPort", int_at(port, "port"));
        if (number == 0) continue;
        Object entry = {{"port", number}, {"protocol", text_at(port, "protocol", "TCP")}};
        if (const auto name = text_at(port, "name"); !name.empty()) entry["name"] = name;
        out.push_back(entry);
    }
    return out;
}

Object address_of(const Object& service, const Object& pod) {
    Object out = {{"ip", text_at(pod, "status.podIP")},
                  {"nodeName", text_at(pod, "spec.nodeName")},
                  {"targetRef",
                   {{"kind", "Pod"}, {"namespace", namespace_of(pod)}, {"name", name_of(pod)}, {"uid", uid_of(pod)}}}};
    const auto hostname = text_at(pod, "spec.hostname");
    if (!hostname.empty() && text_at(pod, "spec.subdomain") == name_of(service)) out["hostname"] = hostname;
    return out;
}

}  // namespace

bool is_selected(const Object& service, const Object& pod) {
    const auto& selector = field_at(service, "spec.selector");
    if (!selector.is_object() || selector.empty()) return false;
    return matches_selector({{"matchLabels", selector}}, field_at(pod, "metadata.labels"));
}

Object endpoint_subsets(const Object& service, const std::vector<ObjectPtr>& pods) {
    const bool publish_all = flag_at(service, "spec.publishNotReadyAddresses");
    std::map<std::string, Object> by_ports;
    for (const auto& pod : pods) {
        const auto phase = text_at(*pod, "status.phase");
        if (!is_selected(service, *pod) || text_at(*pod, "status.podIP").empty() || phase == "Succeeded" ||
            phase == "Failed")
            continue;
        if (is_terminating(*pod) && !publish_all) continue;
        const auto ports = ports_of(service, *pod);
        auto& subset = by_ports[ports.dump()];
        if (!ports.empty()) subset["ports"] = ports;
        subset[publish_all || is_ready(*pod) ? "addresses" : "notReadyAddresses"].push_back(address_of(service, *pod));
    }
    Object out = Object::array();
    for (auto& [ports, subset] : by_ports) out.push_back(std::move(subset));
    return out;
}

}  // namespace toygres::localkube
