#include "localkube/object_fields.hpp"

namespace toygres::localkube {

const Object& field_at(const Object& object, std::string_view path) {
    static const Object null;
    const auto* at = &object;
    while (!path.empty()) {
        const auto dot = path.find('.');
        if (!at->is_object()) return null;
        const auto it = at->find(path.substr(0, dot));
        if (it == at->end()) return null;
        at = &*it;
        path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
    }
    return *at;
}

std::string text_at(const Object& object, std::string_view path, std::string_view otherwise) {
    const auto& found = field_at(object, path);
    return found.is_string() ? found.get<std::string>() : std::string(otherwise);
}

std::int64_t int_at(const Object& object, std::string_view path, std::int64_t otherwise) {
    const auto& found = field_at(object, path);
    return found.is_number_integer() ? found.get<std::int64_t>() : otherwise;
}

bool flag_at(const Object& object, std::string_view path, bool otherwise) {
    const auto& found = field_at(object, path);
    return found.is_boolean() ? found.get<bool>() : otherwise;
}

const Object& list_at(const Object& object, std::string_view path) {
    static const Object none = Object::array();
    const auto& found = field_at(object, path);
    return found.is_array() ? found : none;
}

std::string kube_time(Timestamp t) { return format_rfc3339(t).substr(0, 19) + "Z"; }

Object controller_reference(const Object& owner) {
    return {{"apiVersion", text_at(owner, "apiVersion")},
            {"kind", text_at(owner, "kind")},
            {"name", name_of(owner)},
            {"uid", uid_of(owner)},
            {"controller", true},
            {"blockOwnerDeletion", true}};
}

const Object& controller_of(const Object& object) {
    for (const auto& owner : list_at(object, "metadata.ownerReferences"))
        if (flag_at(owner, "controller")) return owner;
    static const Object none;
    return none;
}

bool is_controlled_by(const Object& object, const std::string& uid) {
    return text_at(controller_of(object), "uid") == uid;
}

void delete_gently(ObjectStore& store, const Object& object) {
    const auto key = key_of(object);
    if (!key) return;
    const auto phase = text_at(object, "status.phase");
    const bool takes_time = key->resource == "pods" && phase != "Succeeded" && phase != "Failed" &&
                            !text_at(object, "spec.nodeName").empty();
    const auto grace = takes_time ? int_at(object, "spec.terminationGracePeriodSeconds", 30) : 0;
    (void)store.remove(*key, static_cast<int>(grace));
}

void set_condition(Object& conditions, const std::string& type, const std::string& status, const std::string& reason,
                   const std::string& message) {
    if (!conditions.is_array()) conditions = Object::array();
    auto it = std::ranges::find_if(conditions, [&](const auto& c) { return text_at(c, "type") == type; });
    if (it == conditions.end()) {
        conditions.push_back({{"type", type}});
        it = std::prev(conditions.end());
    }
    auto& condition = *it;
    if (text_at(condition, "status") != status) condition["lastTransitionTime"] = kube_time();
    condition["status"] = status;
    const auto set = [&](const char* field, const std::string& value) {
        if (value.empty())
            condition.erase(field);
        else
            condition[field] = value;
    };
    set("reason", reason);
    set("message", message);
}

}  // namespace toygres::localkube
