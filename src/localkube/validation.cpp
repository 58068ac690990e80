#include "localkube/validation.hpp"

#include "base/crypto.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>

namespace toygres::localkube {
namespace {

constexpr const char* subdomain_rule =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
constexpr const char* label_rule =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
constexpr const char* service_rule =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and "
    "end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')";
constexpr const char* label_value_rule =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end "
    "with an alphanumeric character";

const Json& member(const Json& object, const char* field) {
    static const Json none;
    if (!object.is_object()) return none;
    const auto it = object.find(field);
    return it == object.end() ? none : *it;
}

bool is_alnum(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

// Alphanumeric at both ends, and `others` inside, at most 63.
bool is_qualified_part(std::string_view text) {
    return !text.empty() && text.size() <= 63 && is_alnum(text.front()) && is_alnum(text.back()) &&
           std::ranges::all_of(text, [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}

bool is_label_key(std::string_view key) {
    const auto slash = key.find('/');
    if (slash == std::string_view::npos) return is_qualified_part(key);
    return is_dns_subdomain(key.substr(0, slash)) && is_qualified_part(key.substr(slash + 1));
}

void check_metadata(const ResourceType& type, const Json& metadata, Problems& problems) {
    const auto name = metadata.value("name", "");
    if (name.empty())
        problems.required("metadata.name", "name or generateName is required");
    else if (type.plural == "namespaces" && !is_dns_label(name))
        problems.invalid("metadata.name", name, label_rule);
    else if (type.plural == "services" && (!is_dns_label(name) || !std::isalpha(static_cast<unsigned char>(name[0]))))
        problems.invalid("metadata.name", name, service_rule);
    else if (type.group == "rbac.authorization.k8s.io" ? name.find_first_of("/%") != std::string::npos
                                                       : !is_dns_subdomain(name))
        problems.invalid("metadata.name", name, subdomain_rule);
    check_labels(member(metadata, "labels"), "metadata.labels", problems);
    for (const auto& [key, value] : metadata.value("annotations", Json::object()).items())
        if (!is_label_key(key)) problems.invalid("metadata.annotations", key, "not a valid annotation name");
}

void check_selector_of_template(const Json& spec, Problems& problems) {
    const auto& selector = member(spec, "selector");
    const auto& labels = member(member(member(spec, "template"), "metadata"), "labels");
    if (selector.is_null() || selector.empty())
        problems.required("spec.selector");
    else if (!matches_selector(selector, labels))
        problems.invalid("spec.template.metadata.labels", labels.is_null() ? Json::object() : labels,
                         "`selector` does not match template `labels`");
}

void check_template(const Json& spec, const std::string& path, Problems& problems) {
    const auto& pod = member(spec, "template");
    if (!pod.is_object()) return problems.required(path + ".template");
    check_labels(member(member(pod, "metadata"), "labels"), path + ".template.metadata.labels", problems);
    std::set<std::string> claims;
    for (const auto& claim : spec.value("volumeClaimTemplates", Json::array()))
        claims.insert(member(claim, "metadata").value("name", ""));
    check_pod_spec(member(pod, "spec"), path + ".template.spec", claims, problems);
}

void check_pod(const Object& object, Problems& problems) {
    check_pod_spec(member(object, "spec"), "spec", {}, problems);
}

void check_stateful_set(const Object& object, Problems& problems) {
    const auto& spec = member(object, "spec");
    if (!spec.is_object()) return problems.required("spec");
    check_selector_of_template(spec, problems);
    check_template(spec, "spec", problems);
    if (spec.value("replicas", 1) < 0)
        problems.invalid("spec.replicas", spec["replicas"], "must be greater than or equal to 0");
    const auto& policy = member(member(member(spec, "template"), "spec"), "restartPolicy");
    if (policy.is_string() && policy != "Always")
        problems.unsupported("spec.template.spec.restartPolicy", policy, {"Always"});
}

void check_job_spec(const Json& spec, const std::string& path, Problems& problems) {
    if (!spec.is_object()) return problems.required(path);
    check_template(spec, path, problems);
    const auto& policy = member(member(member(spec, "template"), "spec"), "restartPolicy");
    if (policy != "OnFailure" && policy != "Never")
        problems.unsupported(path + ".template.spec.restartPolicy", policy, {"OnFailure", "Never"});
}

void check_job(const Object& object, Problems& problems) { check_job_spec(member(object, "spec"), "spec", problems); }

bool is_cron_schedule(std::string_view text) {
    static const std::set<std::string_view> names{"@yearly", "@annually", "@monthly", "@weekly",
                                                  "@daily",  "@midnight", "@hourly"};
    if (text.starts_with("@")) return names.contains(text);
    std::size_t fields = 0;
    for (std::size_t at = 0; at < text.size();) {
        at = text.find_first_not_of(' ', at);
        if (at == std::string_view::npos) break;
        const auto end = std::min(text.find(' ', at), text.size());
        const auto field = text.substr(at, end - at);
        const bool fits = std::ranges::all_of(
            field, [](char c) { return is_alnum(c) || c == '*' || c == ',' || c == '-' || c == '/' || c == '?'; });
        if (!fits) return false;
        ++fields;
        at = end;
    }
    return fields == 5;
}

void check_cron_job(const Object& object, Problems& problems) {
    const auto& spec = member(object, "spec");
    const auto& schedule = member(spec, "schedule");
    if (!schedule.is_string() || schedule == "")
        problems.required("spec.schedule");
    else if (!is_cron_schedule(schedule.get_ref<const std::string&>()))
        problems.invalid("spec.schedule", schedule, "expected exactly 5 fields");
    check_job_spec(member(member(spec, "jobTemplate"), "spec"), "spec.jobTemplate.spec", problems);
}

void check_service(const Object& object, Problems& problems) {
    const auto& spec = member(object, "spec");
    if (!spec.is_object()) return problems.required("spec");
    const auto& type = member(spec, "type");
    const std::vector<std::string_view> types{"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"};
    if (std::ranges::none_of(types, [&](auto t) { return type == t; })) problems.unsupported("spec.type", type, types);
    const auto ports = spec.value("ports", Json::array());
    if (ports.empty() && member(spec, "clusterIP") != "None" && type != "ExternalName") problems.required("spec.ports");
    std::set<std::string> names;
    for (std::size_t i = 0; i < ports.size(); ++i) {
        const auto path = fmt::format("spec.ports[{}]", i);
        const auto& port = member(ports[i], "port");
        if (!port.is_number_integer() || port < 1 || port > 65535)
            problems.invalid(path + ".port", port.is_null() ? Json(0) : port, "must be between 1 and 65535, inclusive");
        const auto name = ports[i].value("name", "");
        if (name.empty() && ports.size() > 1) problems.required(path + ".name");
        if (!name.empty() && !names.insert(name).second) problems.duplicate(path + ".name", name);
    }
}

void check_claim(const Object& object, Problems& problems) {
    const auto& spec = member(object, "spec");
    if (member(spec, "accessModes").empty())
        problems.required("spec.accessModes", "at least 1 access mode is required");
    const auto& storage = member(member(member(spec, "resources"), "requests"), "storage");
    if (storage.is_null())
        problems.required("spec.resources[storage]");
    else if (!is_quantity(storage))
        problems.invalid("spec.resources[storage]", storage,
                         "quantities must match the regular expression "
                         "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
}

void check_secret(const Object& object, Problems& problems) {
    for (const auto& [name, value] : object.value("data", Json::object()).items()) {
        if (!value.is_null() && !base64_decode(value.get_ref<const std::string&>()))
            raise_bad_request("Secret in version \"v1\" cannot be handled as a Secret: illegal base64 data in data." +
                              name);
        if (!is_qualified_part(name) && name != ".")
            problems.invalid("data[" + name + "]", name, "not a valid key name");
    }
}

void check_disruption_budget(const Object& object, Problems& problems) {
    const auto& spec = member(object, "spec");
    if (spec.contains("minAvailable") && spec.contains("maxUnavailable"))
        problems.invalid("spec", Json::object(), "minAvailable and maxUnavailable cannot be both set");
}

void check_role_binding(const Object& object, Problems& problems) {
    const auto& ref = member(object, "roleRef");
    if (member(ref, "name").is_null()) problems.required("roleRef.name");
    if (member(ref, "kind") != "Role" && member(ref, "kind") != "ClusterRole")
        problems.unsupported("roleRef.kind", member(ref, "kind"), {"Role", "ClusterRole"});
}

struct Checker {
    std::string_view resource;
    void (*check)(const Object& object, Problems& problems);
};
constexpr Checker checkers[] = {
    {"pods", check_pod},
    {"statefulsets", check_stateful_set},
    {"jobs", check_job},
    {"cronjobs", check_cron_job},
    {"services", check_service},
    {"persistentvolumeclaims", check_claim},
    {"secrets", check_secret},
    {"poddisruptionbudgets", check_disruption_budget},
    {"rolebindings", check_role_binding},
};

}  // namespace

void Problems::required(std::string field, std::string detail) {
    causes_.push_back(
        {"FieldValueRequired", std::move(field), "Required value" + (detail.empty() ? "" : ": " + detail)});
}
void Problems::invalid(std::string field, const Json& value, const std::string& detail) {
    causes_.push_back(
        {"FieldValueInvalid", std::move(field), fmt::format("Invalid value: {}: {}", value.dump(), detail)});
}
void Problems::unsupported(std::string field, const Json& value, const std::vector<std::string_view>& supported) {
    std::string list;
    for (const auto word : supported) list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", word);
    causes_.push_back({"FieldValueNotSupported", std::move(field),
                       fmt::format("Unsupported value: {}: supported values: {}",
                                   value.is_null() ? std::string("\"\"") : value.dump(), list)});
}
void Problems::forbidden(std::string field, const std::string& detail) {
    causes_.push_back({"FieldValueForbidden", std::move(field), "Forbidden: " + detail});
}
void Problems::duplicate(std::string field, const Json& value) {
    causes_.push_back({"FieldValueDuplicate", std::move(field), "Duplicate value: " + value.dump()});
}

void Problems::not_found(std::string field, const Json& value) {
    causes_.push_back({"FieldValueNotFound", std::move(field), "Not found: " + value.dump()});
}

bool is_dns_label(std::string_view text) {
    return !text.empty() && text.size() <= 63 && text.front() != '-' && text.back() != '-' &&
           std::ranges::all_of(text,
                               [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

bool is_dns_subdomain(std::string_view text) {
    if (text.empty() || text.size() > 253) return false;
    for (std::size_t at = 0; at <= text.size();) {
        const auto end = std::min(text.find('.', at), text.size());
        const auto part = text.substr(at, end - at);
        if (part.empty() || part.front() == '-' || part.back() == '-' || !std::ranges::all_of(part, [](char c) {
                return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
            }))
            return false;
        at = end + 1;
    }
    return true;
}

bool is_quantity(const Json& value) {
    if (value.is_number()) return value >= 0;
    if (!value.is_string()) return false;
    std::string_view text = value.get_ref<const std::string&>();
    std::size_t digits = 0;
    while (!text.empty() && (std::isdigit(static_cast<unsigned char>(text.front())) || text.front() == '.')) {
        digits += text.front() != '.';
        text.remove_prefix(1);
    }
    static const std::set<std::string_view> suffixes{"",  "n", "u",  "m",  "k",  "M",  "G",  "T",
                                                     "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
    if (digits == 0) return false;
    if (suffixes.contains(text)) return true;
    if (text.front() != 'e' && text.front() != 'E') return false;
    text.remove_prefix(1);
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    return !text.empty() && std::ranges::all_of(text, [](unsigned char c) { return std::isdigit(c) != 0; });
}

void check_labels(const Json& labels, const std::string& path, Problems& problems) {
    if (!labels.is_object()) return;
    for (const auto& [key, value] : labels.items()) {
        if (!is_label_key(key)) problems.invalid(path, key, "not a valid label name");
        const auto text = value.is_string() ? value.get<std::string>() : std::string();
        if (!text.empty() && !is_qualified_part(text)) problems.invalid(path, value, label_value_rule);
    }
}

std::vector<Cause> problems_of(const ResourceType& type, const Object& object) {
    Problems problems;
    check_metadata(type, member(object, "metadata"), problems);
    const auto* it = std::ranges::find(checkers, std::string_view(type.plural), &Checker::resource);
    if (it != std::end(checkers)) it->check(object, problems);
    return problems.take();
}

}  // namespace toygres::localkube
