#include "localkube/validation.hpp"

#include <algorithm>

namespace toygres::localkube {
namespace {

const Json& at(const Json& object, std::initializer_list<const char*> path) {
    static const Json none;
    const auto* out = &object;
    for (const char* field : path) {
        if (!out->is_object()) return none;
        const auto it = out->find(field);
        if (it == out->end()) return none;
        out = &*it;
    }
    return *out;
}

Json without(Json object, std::initializer_list<const char*> fields) {
    if (object.is_object())
        for (const char* field : fields) object.erase(field);
    return object;
}

void check_stateful_set(const Object& before, const Object& after, Problems& problems) {
    const auto fixed = [](const Object& object) {
        return without(at(object, {"spec"}),
                       {"replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
                        "persistentVolumeClaimRetentionPolicy", "minReadySeconds"});
    };
    if (fixed(before) != fixed(after))
        problems.forbidden(
            "spec",
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
            "'updateStrategy', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden");
}

void check_claim(const Object& before, const Object& after, Problems& problems) {
    const auto fixed = [&](const Object& object) {
        auto spec = without(at(object, {"spec"}), {"volumeAttributesClassName"});
        // The binder names the volume once.
        if (at(before, {"spec", "volumeName"}).is_null()) spec.erase("volumeName");
        if (spec.contains("resources")) spec["resources"].erase("requests");
        return spec;
    };
    if (fixed(before) != fixed(after))
        problems.forbidden(
            "spec",
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for "
            "bound claims");
}

void check_service(const Object& before, const Object& after, Problems& problems) {
    const auto& old_ip = at(before, {"spec", "clusterIP"});
    const auto& new_ip = at(after, {"spec", "clusterIP"});
    if (at(after, {"spec", "type"}) != "ExternalName" && old_ip.is_string() && old_ip != "" && old_ip != new_ip)
        problems.invalid("spec.clusterIPs[0]", Json::array({new_ip}), "may not change once set");
}

void check_immutable_data(const Object& before, const Object& after, Problems& problems) {
    if (at(before, {"type"}) != at(after, {"type"}))
        problems.invalid("type", at(after, {"type"}), "field is immutable");
    if (at(before, {"immutable"}) != true) return;
    if (at(after, {"immutable"}) != true) problems.forbidden("immutable", "field is immutable when `immutable` is set");
    if (at(before, {"data"}) != at(after, {"data"}))
        problems.forbidden("data", "field is immutable when `immutable` is set");
}

void check_pod(const Object& before, const Object& after, Problems& problems) {
    const auto fixed = [](const Object& object) {
        auto spec = without(at(object, {"spec"}),
                            {"activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "nodeName"});
        for (const char* list : {"containers", "initContainers"})
            if (spec.contains(list))
                for (auto& container : spec[list]) container.erase("image");
        return spec;
    };
    if (fixed(before) != fixed(after))
        problems.forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,"
            "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions "
            "to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it "
            "was previously negative)");
}

void check_job(const Object& before, const Object& after, Problems& problems) {
    for (const char* field : {"template", "selector", "completions"})
        if (at(before, {"spec", field}) != at(after, {"spec", field}))
            problems.invalid(std::string("spec.") + field, at(after, {"spec", field}), "field is immutable");
}

void check_role_binding(const Object& before, const Object& after, Problems& problems) {
    if (at(before, {"roleRef"}) != at(after, {"roleRef"}))
        problems.invalid("roleRef", at(after, {"roleRef"}), "cannot change roleRef");
}

struct Checker {
    std::string_view resource;
    void (*check)(const Object& before, const Object& after, Problems& problems);
};
constexpr Checker checkers[] = {
    {"statefulsets", check_stateful_set},
    {"persistentvolumeclaims", check_claim},
    {"services", check_service},
    {"secrets", check_immutable_data},
    {"configmaps", check_immutable_data},
    {"pods", check_pod},
    {"jobs", check_job},
    {"rolebindings", check_role_binding},
};

}  // namespace

std::vector<Cause> forbidden_changes(const ResourceType& type, const Object& before, const Object& after) {
    Problems problems;
    const auto* it = std::ranges::find(checkers, std::string_view(type.plural), &Checker::resource);
    if (it != std::end(checkers)) it->check(before, after, problems);
    return problems.take();
}

}  // namespace toygres::localkube
