#include "localkube/api_request.hpp"

#include "localkube/api_status.hpp"
#include "localkube/kube_protobuf.hpp"
#include "localkube/yaml_json.hpp"

namespace toygres::localkube {

std::optional<ResourcePath> ResourcePath::parse(const std::vector<std::string>& segments) {
    ResourcePath out;
    std::size_t at = 0;
    if (segments.size() >= 3 && segments[0] == "api") {
        out.version = segments[1];
        at = 2;
    } else if (segments.size() >= 4 && segments[0] == "apis") {
        out.group = segments[1];
        out.version = segments[2];
        at = 3;
    } else {
        return std::nullopt;
    }
    // /namespaces/<ns>/<resource>…, but /namespaces/<name> and its status are the namespace itself.
    const auto left = segments.size() - at;
    const bool in_namespace =
        segments[at] == "namespaces" && left >= 3 && segments[at + 2] != "status" && segments[at + 2] != "finalize";
    if (in_namespace) {
        out.ns = segments[at + 1];
        at += 2;
    }
    if (segments.size() - at > 3) return std::nullopt;
    out.plural = segments[at++];
    if (at < segments.size()) out.name = segments[at++];
    if (at < segments.size()) out.subresource = segments[at++];
    out.type = find_resource(out.group, out.version, out.plural);
    return out;
}

bool ApiRequest::flag(std::string_view name) const {
    const auto value = query(name);
    return value == "true" || value == "1";
}

std::string ApiRequest::field_manager() const {
    if (auto name = query("fieldManager"); !name.empty()) return name;
    const auto agent = http.headers.get("User-Agent");
    const auto name = agent.substr(0, agent.find('/'));
    return name.empty() ? "unknown" : std::string(name);
}

std::string ApiRequest::api_version() const {
    return path.group.empty() ? path.version : path.group + "/" + path.version;
}

Json ApiRequest::body() const {
    const auto type = http.headers.get("Content-Type");
    if (type.find("protobuf") != std::string_view::npos) return parse_kube_protobuf(http.body);
    if (type.find("cbor") != std::string_view::npos)
        raise_status(415, "UnsupportedMediaType",
                     "the body of the request was in an unknown format - accepted media types include: "
                     "application/json, application/yaml, application/vnd.kubernetes.protobuf");
    // JSON is YAML, and most that comes as YAML is JSON.
    auto parsed = parse_json(http.body);
    if (!parsed && type.find("yaml") != std::string_view::npos) parsed = parse_yaml(http.body);
    if (!parsed) raise_bad_request("error decoding the body: " + parsed.error().message);
    return *std::move(parsed);
}

std::string verb_of(const http::Request& request, const http::Target& target, const ResourcePath& path) {
    const auto is = [&](std::string_view flag) {
        const auto value = target.get(flag);
        return value == "true" || value == "1";
    };
    const auto& method = request.method;
    if (method == "GET" || method == "HEAD") {
        if (is("watch") && path.subresource.empty()) return "watch";
        return path.name.empty() ? "list" : "get";
    }
    const bool named = !path.name.empty();
    if (method == "POST" && (!named || !path.subresource.empty())) return "create";
    if (method == "PUT" && named) return "update";
    if (method == "PATCH" && named) return "patch";
    if (method == "DELETE") return named ? "delete" : "deletecollection";
    return {};
}

}  // namespace toygres::localkube
