// One request to the cluster's API, taken apart: who asks for what to be done with which resource.
#pragma once
#include "http/message.hpp"
#include "localkube/api_server.hpp"
#include "localkube/object_store.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace toygres::localkube {

// Where a path below /api/v1 or /apis/<group>/<version> points.
struct ResourcePath {
    std::string group;
    std::string version;
    const ResourceType* type;  // null: a resource that is not stored, such as selfsubjectaccessreviews
    std::string plural;
    std::string ns;           // empty: cluster-wide, or all namespaces
    std::string name;         // empty: the collection
    std::string subresource;  // "status", "scale", "log", …

    // Empty when the path is not one of a resource.
    static std::optional<ResourcePath> parse(const std::vector<std::string>& segments);
};

struct ApiRequest {
    const http::Request& http;
    http::Target target;
    std::string user;
    ResourcePath path;
    std::string verb;  // "get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"
    std::vector<std::string>& warnings;  // for the client's user, along with the answer

    const ResourceType& type() const { return *path.type; }
    ObjectKey key() const { return {path.type->plural, path.ns, path.name}; }
    std::string query(std::string_view name) const { return target.get(name).value_or(""); }
    bool flag(std::string_view name) const;
    // Does any of `dryRun` say All?
    bool dry_run() const { return query("dryRun") == "All"; }
    // The query's word or else the program's name from User-Agent.
    std::string field_manager() const;
    // "apps/v1"
    std::string api_version() const;
    // The body from JSON, YAML or protobuf. Throws 400, or 415 for what is neither.
    Json body() const;
};

// The verb of a method on a path: "get" of a collection is "list" or "watch". Empty when the method has none there.
std::string verb_of(const http::Request& request, const http::Target& target, const ResourcePath& path);

// What the handlers work on.
struct ApiContext {
    ObjectStore& store;
    Node& node;
    std::function<std::string(const std::string& ns, const std::string& service_account)> mint_token{};
};

}  // namespace toygres::localkube
