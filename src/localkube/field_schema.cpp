#include "localkube/field_schema.hpp"

#include <array>

namespace toygres::localkube {
namespace {

using Keys = std::array<std::string_view, 2>;

struct KeyedList {
    std::string_view suffix;
    Keys keys;  // the second may be empty
};

// Longer suffixes of one name come first.
constexpr KeyedList keyed_lists[] = {
    {"containers/ports", {"containerPort", "protocol"}},
    {"initContainers/ports", {"containerPort", "protocol"}},
    {"ephemeralContainers/ports", {"containerPort", "protocol"}},
    {"spec/ports", {"port", "protocol"}},
    {"containers", {"name", ""}},
    {"initContainers", {"name", ""}},
    {"ephemeralContainers", {"name", ""}},
    {"env", {"name", ""}},
    {"volumes", {"name", ""}},
    {"volumeMounts", {"mountPath", ""}},
    {"volumeDevices", {"devicePath", ""}},
    {"imagePullSecrets", {"name", ""}},
    {"secrets", {"name", ""}},
    {"conditions", {"type", ""}},
    {"metadata/ownerReferences", {"uid", ""}},
    {"hostAliases", {"ip", ""}},
    {"podIPs", {"ip", ""}},
    {"topologySpreadConstraints", {"topologyKey", "whenUnsatisfiable"}},
};

constexpr std::string_view atomic_maps[] = {
    "selector",     "podSelector",     "namespaceSelector", "labelSelector",    "nodeSelector",
    "secretKeyRef", "configMapKeyRef", "fieldRef",          "resourceFieldRef", "secretRef",
    "roleRef",      "claimRef",        "involvedObject",    "targetRef",        "dataSource",
};

bool ends_with_path(std::string_view path, std::string_view suffix) {
    if (!path.ends_with(suffix)) return false;
    return path.size() == suffix.size() || path[path.size() - suffix.size() - 1] == '/';
}

}  // namespace

FieldRule field_rule(std::string_view path, const Json& value) {
    if (value.is_object()) {
        for (const auto name : atomic_maps)
            if (ends_with_path(path, name)) return {Merging::atomic};
        return {Merging::granular};
    }
    if (!value.is_array()) return {Merging::atomic};
    if (path == "metadata/finalizers") return {Merging::set};
    for (const auto& list : keyed_lists)
        if (ends_with_path(path, list.suffix))
            return {Merging::keyed, std::span(list.keys).first(list.keys[1].empty() ? 1 : 2)};
    return {Merging::atomic};
}

std::string join_path(std::string_view path, std::string_view field) {
    std::string out(path);
    if (!out.empty()) out += '/';
    return out += field;
}

Json item_key(const Json& item, std::span<const std::string_view> keys) {
    Json out = Json::object();
    if (!item.is_object()) return nullptr;
    for (const auto key : keys) {
        const auto it = item.find(key);
        if (it != item.end() && !it->is_null())
            out[std::string(key)] = *it;
        else if (key == keys.front())
            return nullptr;
        else if (key == "protocol")
            out["protocol"] = "TCP";
    }
    return out;
}

}  // namespace toygres::localkube
