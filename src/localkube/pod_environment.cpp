#include "localkube/pod_environment.hpp"

#include "base/crypto.hpp"
#include "localkube/object_fields.hpp"
#include "localkube/pod_fields.hpp"

#include <fmt/format.h>

namespace toygres::localkube {
namespace {

std::unexpected<Error> missing(std::string message) {
    return std::unexpected(Error{ErrorKind::not_found, "config_missing", std::move(message)});
}

std::optional<std::string> config_value(const Object& config, const std::string& key) {
    const auto& data = field_at(config, "data");
    if (!data.is_object()) return std::nullopt;
    const auto it = data.find(key);
    if (it == data.end() || !it->is_string()) return std::nullopt;
    return it->get<std::string>();
}

// One entry of envFrom.
Result<void> add_all(const ObjectStore& store, const std::string& ns, const Object& source, Environment& out) {
    for (const auto& [field, resource] : {std::pair("secretRef", "secrets"), std::pair("configMapRef", "configmaps")}) {
        const auto& reference = field_at(source, field);
        if (reference.is_null()) continue;
        const auto name = text_at(reference, "name");
        const auto object = store.get({resource, ns, name});
        if (!object) {
            if (flag_at(reference, "optional")) continue;
            return missing(fmt::format("{} \"{}\" not found",
                                       std::string_view(resource).substr(0, 6) == "secret" ? "secret" : "configmap",
                                       name));
        }
        const auto& data = field_at(*object, "data");
        if (!data.is_object()) continue;
        for (const auto& [key, value] : data.items()) {
            const auto text =
                resource == std::string_view("secrets") ? secret_value(*object, key) : config_value(*object, key);
            if (text) out[text_at(source, "prefix") + key] = *text;
        }
    }
    return {};
}

// valueFrom of one variable; nullopt when it is optional and absent.
Result<std::optional<std::string>> value_from(const ObjectStore& store, const Object& pod, const Object& container,
                                              const Object& source) {
    if (const auto& field = field_at(source, "fieldRef"); !field.is_null()) {
        const auto path = text_at(field, "fieldPath");
        if (auto value = pod_field(pod, path)) return value;
        return missing(fmt::format("field label not supported: {}", path));
    }
    if (const auto& resource = field_at(source, "resourceFieldRef"); !resource.is_null())
        return std::optional(resource_field(pod, container, resource));
    const bool is_secret = source.contains("secretKeyRef");
    const auto& reference = field_at(source, is_secret ? "secretKeyRef" : "configMapKeyRef");
    const auto name = text_at(reference, "name");
    const auto key = text_at(reference, "key");
    const bool optional = flag_at(reference, "optional");
    const auto ns = namespace_of(pod);
    const auto object = store.get({is_secret ? "secrets" : "configmaps", ns, name});
    const char* kind = is_secret ? "secret" : "configmap";
    if (!object) {
        if (optional) return std::nullopt;
        return missing(fmt::format("{} \"{}\" not found", kind, name));
    }
    auto value = is_secret ? secret_value(*object, key) : config_value(*object, key);
    if (!value && !optional)
        return missing(
            fmt::format("couldn't find key {} in {} {}/{}", key, is_secret ? "Secret" : "ConfigMap", ns, name));
    return value;
}

}  // namespace

std::optional<std::string> secret_value(const Object& secret, const std::string& key) {
    const auto& data = field_at(secret, "data");
    if (!data.is_object()) return std::nullopt;
    const auto it = data.find(key);
    if (it == data.end() || !it->is_string()) return std::nullopt;
    return base64_decode(it->get_ref<const std::string&>());
}

std::string expand_variables(const std::string& text, const Environment& environment) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '$' && i + 1 < text.size()) {
            if (text[i + 1] == '$') {
                out += '$';
                ++i;
                continue;
            }
            const auto end = text[i + 1] == '(' ? text.find(')', i) : std::string::npos;
            if (end != std::string::npos)
                if (const auto it = environment.find(text.substr(i + 2, end - i - 2)); it != environment.end()) {
                    out += it->second;
                    i = end;
                    continue;
                }
        }
        out += text[i];
    }
    return out;
}

Result<Environment> container_environment(const ObjectStore& store, const Object& pod, const Object& container,
                                          Environment base) {
    auto out = std::move(base);
    for (const auto& source : list_at(container, "envFrom"))
        if (auto added = add_all(store, namespace_of(pod), source, out); !added) return std::unexpected(added.error());
    for (const auto& variable : list_at(container, "env")) {
        const auto name = text_at(variable, "name");
        const auto& source = field_at(variable, "valueFrom");
        if (source.is_null()) {
            out[name] = expand_variables(text_at(variable, "value"), out);
            continue;
        }
        auto value = value_from(store, pod, container, source);
        if (!value) return std::unexpected(value.error());
        if (*value) out[name] = **value;
    }
    return out;
}

std::vector<std::string> container_command(const Object& container, const std::vector<std::string>& image_command,
                                           const Environment& environment) {
    std::vector<std::string> out;
    for (const auto& word : list_at(container, "command"))
        out.push_back(expand_variables(word.get<std::string>(), environment));
    if (out.empty()) out = image_command;
    for (const auto& word : list_at(container, "args"))
        out.push_back(expand_variables(word.get<std::string>(), environment));
    return out;
}

}  // namespace toygres::localkube
