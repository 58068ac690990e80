#include "localkube/api_discovery.hpp"

#include "localkube/api_status.hpp"
#include "localkube/defaults.hpp"
#include "localkube/openapi_v2.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace toygres::localkube {
namespace {

using Segments = std::vector<std::string>;

struct GroupVersion {
    std::string group;
    std::string version;
    std::string text() const { return group.empty() ? version : group + "/" + version; }
    bool operator==(const GroupVersion&) const = default;
};

// Resources that are answered, not stored.
const std::vector<ResourceType>& virtual_types() {
    static const std::vector<ResourceType> types{
        {"authorization.k8s.io",
         "v1",
         "SelfSubjectAccessReview",
         "selfsubjectaccessreviews",
         "selfsubjectaccessreview",
         {},
         false},
        {"authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", "selfsubjectreview", {}, false},
    };
    return types;
}

template <class F> void for_each_type(F&& f) {
    for (const auto& type : resource_types()) f(type, true);
    for (const auto& type : virtual_types()) f(type, false);
}

std::vector<GroupVersion> group_versions() {
    std::vector<GroupVersion> out;
    for_each_type([&](const ResourceType& type, bool) {
        const GroupVersion gv{type.group, type.version};
        if (std::ranges::find(out, gv) == out.end()) out.push_back(gv);
    });
    return out;
}

Json group_of(const std::string& group) {
    Json versions = Json::array();
    for (const auto& gv : group_versions())
        if (gv.group == group) versions.push_back({{"groupVersion", gv.text()}, {"version", gv.version}});
    return {{"name", group}, {"versions", versions}, {"preferredVersion", versions[0]}};
}

Json resource_entry(const ResourceType& type, const std::string& subresource, const std::string& kind, Json verbs) {
    return {{"name", subresource.empty() ? type.plural : type.plural + "/" + subresource},
            {"singularName", subresource.empty() ? type.singular : ""},
            {"namespaced", type.namespaced},
            {"kind", kind},
            {"verbs", std::move(verbs)}};
}

Json resource_list(const GroupVersion& gv) {
    Json list = Json::array();
    for_each_type([&](const ResourceType& type, bool stored) {
        if (type.group != gv.group || type.version != gv.version) return;
        if (!stored) return list.push_back(resource_entry(type, "", type.kind, Json::array({"create"})));
        auto entry = resource_entry(
            type, "", type.kind,
            Json::array({"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}));
        if (!type.short_names.empty()) entry["shortNames"] = type.short_names;
        if (type.plural == "pods" || type.plural == "services" || type.plural == "statefulsets" ||
            type.plural == "jobs" || type.plural == "cronjobs")
            entry["categories"] = Json::array({"all"});
        list.push_back(std::move(entry));
        if (has_status_subresource(type))
            list.push_back(resource_entry(type, "status", type.kind, Json::array({"get", "patch", "update"})));
        if (type.plural == "statefulsets") {
            auto scale = resource_entry(type, "scale", "Scale", Json::array({"get", "patch", "update"}));
            scale["group"] = "autoscaling";
            scale["version"] = "v1";
            list.push_back(std::move(scale));
        }
        if (type.plural == "serviceaccounts") {
            auto token = resource_entry(type, "token", "TokenRequest", Json::array({"create"}));
            token["group"] = "authentication.k8s.io";
            token["version"] = "v1";
            list.push_back(std::move(token));
        }
        if (type.plural == "pods") {
            list.push_back(resource_entry(type, "log", "Pod", Json::array({"get"})));
            list.push_back(resource_entry(type, "exec", "PodExecOptions", Json::array({"create", "get"})));
            auto eviction = resource_entry(type, "eviction", "Eviction", Json::array({"create"}));
            eviction["group"] = "policy";
            eviction["version"] = "v1";
            list.push_back(std::move(eviction));
        }
    });
    return {
        {"kind", "APIResourceList"}, {"apiVersion", "v1"}, {"groupVersion", gv.text()}, {"resources", std::move(list)}};
}

std::optional<http::Response> groups(const Segments& path) {
    if (path.size() == 1) {
        Json list = Json::array();
        for (const auto& gv : group_versions())
            if (!gv.group.empty() && std::ranges::none_of(list, [&](const Json& g) { return g["name"] == gv.group; }))
                list.push_back(group_of(gv.group));
        return json_response(200, {{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", std::move(list)}});
    }
    const auto known = group_versions();
    if (path.size() == 2) {
        if (path[1].empty() || std::ranges::find(known, path[1], &GroupVersion::group) == known.end())
            return std::nullopt;
        auto group = group_of(path[1]);
        group["kind"] = "APIGroup";
        group["apiVersion"] = "v1";
        return json_response(200, group);
    }
    const GroupVersion gv{path[1], path[2]};
    if (path.size() != 3 || std::ranges::find(known, gv) == known.end()) return std::nullopt;
    return json_response(200, resource_list(gv));
}

std::optional<http::Response> core(const Segments& path) {
    if (path.size() == 1)
        return json_response(
            200, {{"kind", "APIVersions"}, {"versions", {"v1"}}, {"serverAddressByClientCIDRs", Json::array()}});
    if (path.size() != 2 || path[1] != "v1") return std::nullopt;
    return json_response(200, resource_list({"", "v1"}));
}

std::optional<http::Response> version(const Segments&) {
    return json_response(200, {{"major", "1"},
                               {"minor", "32"},
                               {"gitVersion", std::string("v1.32.0+toygres.") + TOYGRES_VERSION},
                               {"gitCommit", ""},
                               {"gitTreeState", "clean"},
                               {"buildDate", "1970-01-01T00:00:00Z"},
                               {"goVersion", ""},
                               {"compiler", "clang"},
                               {"platform", "linux/amd64"}});
}

std::optional<http::Response> health(const Segments&) {
    return http::Response{200, {{"Content-Type", "text/plain"}}, "ok"};
}

// kubectl validates on its own unless the server says that PATCH knows fieldValidation.
Json patch_operation(const ResourceType& type) {
    return {
        {"patch",
         {{"x-kubernetes-action", "patch"},
          {"x-kubernetes-group-version-kind", {{"group", type.group}, {"version", type.version}, {"kind", type.kind}}},
          {"parameters", {{{"name", "fieldValidation"}, {"in", "query"}, {"schema", {{"type", "string"}}}}}},
          {"responses", {{"200", {{"description", "OK"}}}}}}}};
}

std::optional<http::Response> openapi(const Segments& path) {
    if (path.size() == 2 && path[1] == "v2")
        return http::Response{200, {{"Content-Type", openapi_v2_media_type}}, openapi_v2_document()};
    if (path.size() < 2 || path[1] != "v3") return std::nullopt;
    if (path.size() == 2) {
        Json paths = Json::object();
        for (const auto& gv : group_versions()) {
            const auto name = (gv.group.empty() ? "api/" : "apis/") + gv.text();
            paths[name] = {{"serverRelativeURL", "/openapi/v3/" + name + "?hash=" TOYGRES_VERSION}};
        }
        return json_response(200, {{"paths", std::move(paths)}});
    }
    const bool is_core = path.size() == 4 && path[2] == "api";
    if (!is_core && (path.size() != 5 || path[2] != "apis")) return std::nullopt;
    const GroupVersion gv = is_core ? GroupVersion{"", path[3]} : GroupVersion{path[3], path[4]};
    Json paths = Json::object();
    for (const auto& type : resource_types())
        if (type.group == gv.group && type.version == gv.version)
            paths[fmt::format("/{}/{}{}/{}/{{name}}", is_core ? "api" : "apis", gv.text(),
                              type.namespaced ? "/namespaces/{namespace}" : "", type.plural)] = patch_operation(type);
    return json_response(200, {{"openapi", "3.0.0"},
                               {"info", {{"title", "toygres"}, {"version", TOYGRES_VERSION}}},
                               {"paths", std::move(paths)},
                               {"components", {{"schemas", Json::object()}}}});
}

struct Page {
    std::string_view first_segment;
    std::optional<http::Response> (*answer)(const Segments& path);
};
constexpr Page pages[] = {
    {"api", core},     {"apis", groups},   {"version", version}, {"healthz", health},
    {"livez", health}, {"readyz", health}, {"openapi", openapi},
};

}  // namespace

std::optional<http::Response> discovery_response(const Segments& segments) {
    if (segments.empty()) return std::nullopt;
    for (const auto& page : pages)
        if (page.first_segment == segments[0]) return page.answer(segments);
    return std::nullopt;
}

}  // namespace toygres::localkube
