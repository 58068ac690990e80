#include "kube/inspect.hpp"

#include "base/crypto.hpp"

#include <fmt/format.h>

namespace toygres::kube {
namespace {

struct Reason {
    std::string_view name;
    bool hopeless;
};
constexpr Reason waiting_reasons[] = {
    {"ImagePullBackOff", false}, {"ErrImagePull", false},         {"InvalidImageName", true},
    {"ErrImageNeverPull", true}, {"CreateContainerError", false}, {"CreateContainerConfigError", false},
    {"CrashLoopBackOff", false}, {"RunContainerError", false},
};

// One on its way out.
bool is_deleted(const Json& object) { return !text_at(object, "/metadata/deletionTimestamp").empty(); }

}  // namespace

std::string text_at(const Json& object, const std::string& pointer) {
    const Json::json_pointer p(pointer);
    return object.contains(p) && object[p].is_string() ? object[p].get<std::string>() : std::string();
}

bool has_condition(const Json& object, std::string_view type) {
    const Json::json_pointer pointer("/status/conditions");
    if (!object.contains(pointer) || !object[pointer].is_array()) return false;
    for (const auto& condition : object[pointer])
        if (text_at(condition, "/type") == type) return text_at(condition, "/status") == "True";
    return false;
}

PodTrouble pod_trouble(const Json& pod) {
    for (const char* list : {"/status/initContainerStatuses", "/status/containerStatuses"}) {
        const Json::json_pointer pointer(list);
        if (!pod.contains(pointer) || !pod[pointer].is_array()) continue;
        for (const auto& container : pod[pointer]) {
            const auto reason = text_at(container, "/state/waiting/reason");
            for (const auto& known : waiting_reasons)
                if (reason == known.name)
                    return {fmt::format("{}: {}: {}", text_at(container, "/name"), reason,
                                        text_at(container, "/state/waiting/message")),
                            known.hopeless};
        }
    }
    const Json::json_pointer conditions("/status/conditions");
    if (pod.contains(conditions) && pod[conditions].is_array())
        for (const auto& condition : pod[conditions])
            if (text_at(condition, "/type") == "PodScheduled" && text_at(condition, "/status") == "False")
                return {fmt::format("not scheduled: {}", text_at(condition, "/message")), false};
    return {{}, false};
}

Result<bool> pod_ready(const Json* pod) {
    if (pod == nullptr) return false;
    if (const auto trouble = pod_trouble(*pod); trouble.hopeless)
        return std::unexpected(Error{ErrorKind::invalid, "pod_cannot_start",
                                     fmt::format("Pod {}: {}", text_at(*pod, "/metadata/name"), trouble.message)});
    // A pod on its way out is Ready until its last moment.
    return has_condition(*pod, "Ready") && !is_deleted(*pod);
}

Result<bool> pod_has_address(const Json* pod) {
    const auto ready = pod_ready(pod);
    if (!ready) return ready;
    return pod != nullptr && !text_at(*pod, "/status/podIP").empty() && !is_deleted(*pod);
}

std::optional<std::string> service_address(const Json& service) {
    std::string address;
    if (text_at(service, "/spec/type") == "LoadBalancer") {
        address = text_at(service, "/status/loadBalancer/ingress/0/ip");
        if (address.empty()) address = text_at(service, "/status/loadBalancer/ingress/0/hostname");
    } else {
        address = text_at(service, "/spec/clusterIP");
    }
    if (address.empty() || address == "None") return std::nullopt;
    return address;
}

Result<bool> service_has_address(const Json* service) {
    return service != nullptr && service_address(*service).has_value();
}

Result<Secret> secret_value(const Json& secret, const std::string& key) {
    const auto missing = [&] {
        return std::unexpected(Error{ErrorKind::not_found, "secret_key_missing",
                                     fmt::format("Secret {} holds no {}", text_at(secret, "/metadata/name"), key)});
    };
    const auto data = secret.find("data");
    if (data == secret.end() || !data->is_object()) return missing();
    const auto value = data->find(key);
    if (value == data->end() || !value->is_string()) return missing();
    auto decoded = base64_decode(value->get_ref<const std::string&>());
    if (!decoded) return missing();
    return Secret(*std::move(decoded));
}

}  // namespace toygres::kube
