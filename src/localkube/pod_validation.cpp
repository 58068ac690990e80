#include "localkube/validation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace toygres::localkube {
namespace {

const Json& list_of(const Json& object, const char* field) {
    static const Json none = Json::array();
    const auto it = object.find(field);
    return it == object.end() || !it->is_array() ? none : *it;
}

void check_ports(const Json& container, const std::string& path, Problems& problems) {
    const auto& ports = list_of(container, "ports");
    for (std::size_t i = 0; i < ports.size(); ++i) {
        const auto port = ports[i].value("containerPort", 0);
        if (port < 1 || port > 65535)
            problems.invalid(fmt::format("{}.ports[{}].containerPort", path, i), port,
                             "must be between 1 and 65535, inclusive");
    }
}

void check_mounts(const Json& container, const std::string& path, const std::set<std::string>& volumes,
                  Problems& problems) {
    const auto& mounts = list_of(container, "volumeMounts");
    std::set<std::string> paths;
    for (std::size_t i = 0; i < mounts.size(); ++i) {
        const auto at = fmt::format("{}.volumeMounts[{}]", path, i);
        const auto name = mounts[i].value("name", "");
        const auto where = mounts[i].value("mountPath", "");
        if (!volumes.contains(name)) problems.not_found(at + ".name", name);
        if (where.empty()) problems.required(at + ".mountPath");
        if (!where.empty() && !paths.insert(where).second) problems.invalid(at + ".mountPath", where, "must be unique");
    }
}

void check_probe(const Json& container, const char* name, const std::string& path, Problems& problems) {
    const auto it = container.find(name);
    if (it == container.end() || !it->is_object()) return;
    int handlers = 0;
    for (const char* kind : {"exec", "httpGet", "tcpSocket", "grpc"}) handlers += it->contains(kind);
    if (handlers == 0) problems.required(path + "." + name, "must specify a handler type");
    if (handlers > 1) problems.forbidden(path + "." + name, "may not specify more than 1 handler type");
}

void check_containers(const Json& spec, const char* field, const std::string& path,
                      const std::set<std::string>& volumes, std::set<std::string>& names, Problems& problems) {
    const auto& list = list_of(spec, field);
    for (std::size_t i = 0; i < list.size(); ++i) {
        const auto at = fmt::format("{}.{}[{}]", path, field, i);
        const auto& container = list[i];
        const auto name = container.value("name", "");
        if (name.empty())
            problems.required(at + ".name");
        else if (!is_dns_label(name))
            problems.invalid(
                at + ".name", name,
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
                "must start and end with an alphanumeric character");
        else if (!names.insert(name).second)
            problems.duplicate(at + ".name", name);
        if (container.value("image", "").empty()) problems.required(at + ".image");
        check_ports(container, at, problems);
        check_mounts(container, at, volumes, problems);
        for (const char* probe : {"livenessProbe", "readinessProbe", "startupProbe"})
            check_probe(container, probe, at, problems);
        const auto& env = list_of(container, "env");
        for (std::size_t j = 0; j < env.size(); ++j)
            if (env[j].value("name", "").empty()) problems.required(fmt::format("{}.env[{}].name", at, j));
        for (const char* side : {"limits", "requests"})
            for (const auto& [what, amount] :
                 container.value("resources", Json::object()).value(side, Json::object()).items())
                if (!is_quantity(amount))
                    problems.invalid(fmt::format("{}.resources.{}[{}]", at, side, what), amount, "not a quantity");
    }
}

}  // namespace

void check_pod_spec(const Json& spec, const std::string& path, const std::set<std::string>& claims,
                    Problems& problems) {
    if (!spec.is_object() || list_of(spec, "containers").empty()) problems.required(path + ".containers");
    if (!spec.is_object()) return;
    auto volumes = claims;
    const auto& list = list_of(spec, "volumes");
    for (std::size_t i = 0; i < list.size(); ++i) {
        const auto name = list[i].value("name", "");
        const auto at = fmt::format("{}.volumes[{}].name", path, i);
        if (name.empty())
            problems.required(at);
        else if (!is_dns_label(name))
            problems.invalid(at, name, "a lowercase RFC 1123 label is expected");
        else if (!volumes.insert(name).second && !claims.contains(name))
            problems.duplicate(at, name);
    }
    std::set<std::string> names;
    check_containers(spec, "initContainers", path, volumes, names, problems);
    check_containers(spec, "containers", path, volumes, names, problems);
    const std::vector<std::string_view> policies{"Always", "OnFailure", "Never"};
    const auto policy = spec.value("restartPolicy", "");
    if (std::ranges::find(policies, policy) == policies.end())
        problems.unsupported(path + ".restartPolicy", policy, policies);
}

}  // namespace toygres::localkube
