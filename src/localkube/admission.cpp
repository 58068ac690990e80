#include "localkube/admission.hpp"

#include "base/crypto.hpp"
#include "localkube/api_status.hpp"
#include "localkube/defaults.hpp"
#include "localkube/field_types.hpp"
#include "localkube/validation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace toygres::localkube {
namespace {

// No vowels and no look-alikes, as Kubernetes picks them.
std::string random_suffix() {
    constexpr std::string_view letters = "bcdfghjklmnpqrstvwxz2456789";
    std::string out;
    for (const char byte : random_bytes(5)) out += letters[static_cast<unsigned char>(byte) % letters.size()];
    return out;
}

std::string group_version(const ResourceType& type) {
    return type.group.empty() ? type.version : type.group + "/" + type.version;
}

// Fields that the kind does not have are refused when the client asks for strictness, dropped otherwise, with a warning
// unless the client wants none. What the stored object has of them is not this client's fault.
void check_unknown_fields(const ApiRequest& request, Object& object, const Object& before) {
    constexpr std::size_t warnings_max = 16;
    auto unknown = drop_unknown_fields(request.type(), object);
    if (unknown.empty() || request.query("fieldValidation") == "Ignore") return;
    auto stored = before;
    for (const auto& known : drop_unknown_fields(request.type(), stored)) std::erase(unknown, known);
    if (unknown.empty()) return;
    for (auto& field : unknown) field = fmt::format("unknown field \"{}\"", field);
    if (request.query("fieldValidation") != "Strict") {
        unknown.resize(std::min(unknown.size(), warnings_max));
        std::ranges::move(unknown, std::back_inserter(request.warnings));
        return;
    }
    raise_bad_request(fmt::format("{0} in version \"{1}\" cannot be handled as a {0}: strict decoding error: {2}",
                                  request.type().kind, request.type().version, fmt::join(unknown, ", ")));
}

// An empty apiVersion and kind mean what the URL says.
void check_identity(const ApiRequest& request, Object& object) {
    check_field_types(request.type(), object);
    const auto version = object.value("apiVersion", "");
    const auto kind = object.value("kind", "");
    if (!version.empty() && version != request.api_version())
        raise_bad_request(fmt::format("the API version in the data ({}) does not match the expected API version ({})",
                                      version, request.api_version()));
    if (!kind.empty() && kind != request.type().kind)
        raise_bad_request(
            fmt::format("the kind in the data ({}) does not match the expected kind ({})", kind, request.type().kind));
    auto& metadata = object["metadata"];
    if (metadata.is_null()) metadata = Json::object();
    if (!request.type().namespaced) {
        metadata.erase("namespace");
        return;
    }
    if (const auto ns = metadata.value("namespace", ""); !ns.empty() && ns != request.path.ns)
        raise_bad_request("the namespace of the provided object does not match the namespace sent on the request");
    metadata["namespace"] = request.path.ns;
}

// Stored under the preferred version, whichever the client speaks.
void set_stored_version(const ResourceType& type, Object& object) {
    object["apiVersion"] = group_version(*find_kind(type.kind));
    object["kind"] = type.kind;
}

// Nulls mean nothing is said; typed servers do not store them.
void drop_nulls(Json& value) {
    if (value.is_array()) {
        for (auto& item : value) drop_nulls(item);
        return;
    }
    if (!value.is_object()) return;
    for (auto it = value.begin(); it != value.end();) {
        if (it->is_null()) {
            it = value.erase(it);
        } else {
            drop_nulls(*it);
            ++it;
        }
    }
}

void require_live_namespace(const ApiRequest& request, const ObjectStore& store) {
    if (!request.type().namespaced) return;
    const auto ns = store.get({"namespaces", "", request.path.ns});
    if (!ns) raise_not_found(*find_kind("Namespace"), request.path.ns);
    if (ns->at("metadata").contains("deletionTimestamp"))
        raise_forbidden(request.type(), "",
                        fmt::format("unable to create new content in namespace {} because it is being terminated",
                                    request.path.ns));
}

void require_fit(const ResourceType& type, const Object& object) {
    const auto problems = problems_of(type, object);
    if (!problems.empty()) raise_invalid(type, object.at("metadata").value("name", ""), problems);
}

// What a Service was given at its creation stays with it when a client sends the whole object without it.
void keep_allocated(const ResourceType& type, const Object& before, Object& wanted) {
    if (type.plural != "services" || !before.contains("spec") || !wanted.contains("spec")) return;
    const auto& old = before["spec"];
    auto& spec = wanted["spec"];
    if (spec.value("type", "") == "ExternalName") return;
    for (const char* field : {"clusterIP", "clusterIPs", "healthCheckNodePort"})
        if (old.contains(field) && (!spec.contains(field) || spec[field].empty() || spec[field] == ""))
            spec[field] = old[field];
    if (spec.value("type", "") == "ClusterIP" || !spec.contains("ports")) return;
    for (auto& port : spec["ports"])
        for (const auto& had : old.value("ports", Json::array()))
            if (had.value("port", 0) == port.value("port", 0) && had.contains("nodePort") && !port.contains("nodePort"))
                port["nodePort"] = had["nodePort"];
}

Object with_status_of(const Object& object, const Object& status_source) {
    auto out = object;
    if (status_source.contains("status"))
        out["status"] = status_source["status"];
    else
        out.erase("status");
    return out;
}

}  // namespace

Object admit_new(const ApiRequest& request, const ObjectStore& store, Object incoming) {
    check_identity(request, incoming);
    check_unknown_fields(request, incoming, Object::object());
    drop_nulls(incoming);
    const auto& type = request.type();
    auto& metadata = incoming["metadata"];
    if (metadata.value("name", "").empty() && !metadata.value("generateName", "").empty())
        metadata["name"] = metadata["generateName"].get<std::string>() + random_suffix();
    if (metadata.contains("resourceVersion") && metadata["resourceVersion"] != "")
        raise_bad_request("resourceVersion should not be set on objects to be created");
    for (const char* field : {"uid", "creationTimestamp", "generation", "selfLink", "deletionTimestamp",
                              "deletionGracePeriodSeconds", "resourceVersion"})
        metadata.erase(field);
    require_live_namespace(request, store);
    if (has_status_subresource(type)) {
        incoming["status"] = initial_status(type);
        if (incoming["status"].empty()) incoming.erase("status");
    }
    set_stored_version(type, incoming);
    fill_defaults(type, incoming);
    require_fit(type, incoming);
    return incoming;
}

Object admit_change(const ApiRequest& request, const Object& before, Object wanted) {
    check_identity(request, wanted);
    check_unknown_fields(request, wanted, before);
    drop_nulls(wanted);
    const auto& type = request.type();
    auto& metadata = wanted["metadata"];
    if (const auto name = metadata.value("name", request.path.name); name != request.path.name)
        raise_bad_request(fmt::format("the name of the object ({}) does not match the name on the URL ({})", name,
                                      request.path.name));
    metadata["name"] = request.path.name;
    const auto& old = before.at("metadata");
    if (!metadata.contains("managedFields") && old.contains("managedFields"))
        metadata["managedFields"] = old["managedFields"];
    if (request.path.subresource == "status") {
        auto out = with_status_of(before, wanted);
        for (const char* field : {"resourceVersion", "uid", "managedFields"})
            if (metadata.contains(field)) out["metadata"][field] = metadata[field];
        return out;
    }
    if (has_status_subresource(type)) wanted = with_status_of(wanted, before);
    // Finalizers may only go once an object is on its way out.
    if (old.contains("deletionTimestamp"))
        for (const auto& finalizer : wanted["metadata"].value("finalizers", Json::array())) {
            const auto had = old.value("finalizers", Json::array());
            if (std::ranges::find(had, finalizer) == had.end())
                raise_invalid(type, request.path.name,
                              {{"FieldValueForbidden", "metadata.finalizers",
                                "Forbidden: no new finalizers can be added if the object is being deleted"}});
        }
    if (type.plural == "namespaces" && before.contains("spec")) wanted["spec"] = before["spec"];
    set_stored_version(type, wanted);
    keep_allocated(type, before, wanted);
    fill_defaults(type, wanted);
    require_fit(type, wanted);
    if (const auto changes = forbidden_changes(type, before, wanted); !changes.empty())
        raise_invalid(type, request.path.name, changes);
    return wanted;
}

Object presented(const Object& stored, const ResourceType& type) {
    auto out = stored;
    out["apiVersion"] = group_version(type);
    out["kind"] = type.kind;
    return out;
}

}  // namespace toygres::localkube
