#include "localkube/api_status.hpp"

#include <fmt/format.h>

namespace toygres::localkube {
namespace {

Json details_of(const ResourceType& type, const std::string& name, const std::string& kind) {
    Json out = {{"kind", kind}};
    if (!name.empty()) out["name"] = name;
    if (!type.group.empty()) out["group"] = type.group;
    return out;
}

ErrorKind kind_of(int code) {
    switch (code) {
        case 403:
        case 401:
            return ErrorKind::forbidden;
        case 404:
            return ErrorKind::not_found;
        case 409:
            return ErrorKind::conflict;
        default:
            return code < 500 ? ErrorKind::invalid : ErrorKind::internal;
    }
}

Json make_status(int code, const std::string& reason, const std::string& message, Json details) {
    Json out = {{"kind", "Status"},    {"apiVersion", "v1"}, {"metadata", Json::object()},
                {"status", "Failure"}, {"message", message}, {"reason", reason},
                {"code", code}};
    if (!details.empty()) out["details"] = std::move(details);
    return out;
}

// Errors that do not come from here: the store's, the selectors', the patches', managed fields', the node's.
struct KnownCode {
    std::string_view code;
    int status;
    std::string_view reason;
};
constexpr KnownCode known_codes[] = {
    {"object_not_found", 404, "NotFound"},
    {"container_not_found", 400, "BadRequest"},
    {"already_exists", 409, "AlreadyExists"},
    {"stale_object", 409, "Conflict"},
    {"Conflict", 409, "Conflict"},
    {"invalid_selector", 400, "BadRequest"},
    {"invalid_patch", 422, "Invalid"},
    {"invalid_json", 400, "BadRequest"},
    {"invalid_object", 400, "BadRequest"},
    {"invalid_field", 400, "BadRequest"},
    {"invalid_protobuf", 400, "BadRequest"},
    {"invalid_target", 400, "BadRequest"},
    {"container_waiting", 400, "BadRequest"},
    {"container_not_running", 400, "BadRequest"},
};

}  // namespace

std::string qualified_resource(const ResourceType& type) {
    return type.group.empty() ? type.plural : type.plural + "." + type.group;
}

void raise_status(int code, std::string reason, std::string message, Json details) {
    raise(kind_of(code), std::move(reason), std::move(message), {{"code", code}, {"details", std::move(details)}});
}

void raise_not_found(const ResourceType& type, const std::string& name) {
    raise_status(404, "NotFound", fmt::format("{} \"{}\" not found", qualified_resource(type), name),
                 details_of(type, name, type.plural));
}

void raise_already_exists(const ResourceType& type, const std::string& name) {
    raise_status(409, "AlreadyExists", fmt::format("{} \"{}\" already exists", qualified_resource(type), name),
                 details_of(type, name, type.plural));
}

void raise_conflict(const ResourceType& type, const std::string& name, const std::string& why) {
    raise_status(409, "Conflict",
                 fmt::format("Operation cannot be fulfilled on {} \"{}\": {}", qualified_resource(type), name, why),
                 details_of(type, name, type.plural));
}

void raise_forbidden(const ResourceType& type, const std::string& name, const std::string& why) {
    const auto object =
        name.empty() ? qualified_resource(type) : fmt::format("{} \"{}\"", qualified_resource(type), name);
    raise_status(403, "Forbidden", fmt::format("{} is forbidden: {}", object, why),
                 details_of(type, name, type.plural));
}

void raise_invalid(const ResourceType& type, const std::string& name, const std::vector<Cause>& causes) {
    auto details = details_of(type, name, type.kind);
    details["causes"] = Json::array();
    std::vector<std::string> words;
    for (const auto& cause : causes) {
        details["causes"].push_back({{"reason", cause.reason}, {"message", cause.message}, {"field", cause.field}});
        words.push_back(cause.field + ": " + cause.message);
    }
    const auto kind = type.group.empty() ? type.kind : type.kind + "." + type.group;
    const auto list = fmt::format(fmt::runtime(words.size() == 1 ? "{}" : "[{}]"), fmt::join(words, ", "));
    raise_status(422, "Invalid", fmt::format("{} \"{}\" is invalid: {}", kind, name, list), std::move(details));
}

void raise_bad_request(std::string message) { raise_status(400, "BadRequest", std::move(message)); }

void raise_no_such_resource() { raise_status(404, "NotFound", "the server could not find the requested resource"); }

Json status_of(const Error& error) {
    if (error.details.is_object() && error.details.contains("code"))
        return make_status(error.details["code"].get<int>(), error.code, error.message,
                           error.details.value("details", Json::object()));
    for (const auto& known : known_codes)
        if (known.code == error.code)
            return make_status(known.status, std::string(known.reason), error.message,
                               error.details.is_object() ? error.details : Json::object());
    return make_status(500, "InternalError", "Internal error occurred: " + error.message, Json::object());
}

Json success_status(const ResourceType& type, const Object& object) {
    const auto& metadata = object.at("metadata");
    auto details = details_of(type, metadata.value("name", ""), type.plural);
    details["uid"] = metadata.value("uid", "");
    return {{"kind", "Status"},
            {"apiVersion", "v1"},
            {"metadata", Json::object()},
            {"status", "Success"},
            {"details", std::move(details)}};
}

std::string warning_header(const std::vector<std::string>& warnings) {
    std::string out;
    for (const auto& warning : warnings) {
        out += out.empty() ? "299 - \"" : ", 299 - \"";
        for (const char c : warning) {
            if (c == '"' || c == '\\') out += '\\';
            out += c;
        }
        out += '"';
    }
    return out;
}

http::Response json_response(int status, const Json& body) {
    return {status,
            {{"Content-Type", "application/json"}, {"Cache-Control", "no-cache, private"}},
            body.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

http::Response status_response(const Error& error) {
    const auto status = status_of(error);
    return json_response(status["code"].get<int>(), status);
}

}  // namespace toygres::localkube
