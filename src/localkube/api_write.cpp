#include "localkube/api_write.hpp"

#include "base/crypto.hpp"
#include "localkube/admission.hpp"
#include "localkube/api_status.hpp"
#include "localkube/defaults.hpp"
#include "localkube/eviction.hpp"
#include "localkube/field_types.hpp"
#include "localkube/managed_fields.hpp"
#include "localkube/patch.hpp"

#include <fmt/format.h>

namespace toygres::localkube {
namespace {

FieldManager manager_of(const ApiRequest& request) {
    return {request.field_manager(), request.api_version(), request.path.subresource == "status" ? "status" : ""};
}

ObjectPtr require_object(const ApiRequest& request, const ApiContext& context) {
    auto object = context.store.get(request.key());
    if (!object) raise_not_found(request.type(), request.path.name);
    return object;
}

ObjectPtr stored_or_raise(const ApiRequest& request, const std::string& name, Result<ObjectPtr> result) {
    if (result) return *result;
    const auto& code = result.error().code;
    if (code == "already_exists") raise_already_exists(request.type(), name);
    if (code == "object_not_found") raise_not_found(request.type(), name);
    if (code == "stale_object")
        raise_conflict(request.type(), name,
                       "the object has been modified; please apply your changes to the latest version and try again");
    throw ErrorException(std::move(result).error());
}

ObjectPtr store_new(const ApiRequest& request, ApiContext& context, Object object) {
    const auto name = object["metadata"]["name"].get<std::string>();
    const ObjectKey key{request.type().plural, request.path.ns, name};
    if (!request.dry_run()) return stored_or_raise(request, name, context.store.create(key, std::move(object)));
    if (context.store.get(key)) raise_already_exists(request.type(), name);
    object["metadata"]["uid"] = random_uuid();
    object["metadata"]["creationTimestamp"] = format_rfc3339(now()).substr(0, 19) + "Z";
    return std::make_shared<const Object>(std::move(object));
}

ObjectPtr store_change(const ApiRequest& request, ApiContext& context, Object object) {
    if (request.dry_run()) return std::make_shared<const Object>(std::move(object));
    return stored_or_raise(request, request.path.name, context.store.update(request.key(), std::move(object)));
}

// An ordinary write of the whole object.
ObjectPtr change_object(const ApiRequest& request, ApiContext& context, const Object& before, Object wanted) {
    auto object = admit_change(request, before, std::move(wanted));
    track_update(before, object, manager_of(request));
    return store_change(request, context, std::move(object));
}

http::Response apply_object(const ApiRequest& request, ApiContext& context, Object config) {
    if (request.query("fieldManager").empty())
        raise_invalid(request.type(), request.path.name,
                      {{"FieldValueRequired", "fieldManager", "Required value: is required for apply patch"}});
    if (!config.is_object()) raise_bad_request("the body of an apply is not an object");
    if (config.value("apiVersion", "") != request.api_version() || config.value("kind", "") != request.type().kind)
        raise_bad_request("apiVersion and kind of an apply must be those of the URL");
    auto& metadata = config["metadata"];
    if (metadata.is_null()) metadata = Json::object();
    if (metadata.contains("managedFields") && !metadata["managedFields"].empty())
        raise_bad_request("metadata.managedFields must be nil");
    metadata["name"] = metadata.value("name", request.path.name);
    check_field_types(request.type(), config);
    if (const auto unknown = drop_unknown_fields(request.type(), config); !unknown.empty())
        raise_bad_request(fmt::format(
            "failed to create typed patch object ({}/{}; {}, Kind={}): .{}: field not declared in "
            "schema",
            request.path.ns, request.path.name, request.api_version(), request.type().kind, unknown.front()));
    const auto before = context.store.get(request.key());
    const bool wants_status = request.path.subresource == "status";
    if (!before && wants_status) raise_not_found(request.type(), request.path.name);
    if (before && metadata.contains("uid") && metadata["uid"] != before->at("metadata")["uid"])
        raise_conflict(request.type(), request.path.name, "uid mismatch: the provided object specified another uid");
    if (!wants_status && config.contains("status") && has_status_subresource(request.type())) config.erase("status");
    auto applied = value_or_raise(
        server_side_apply(before ? *before : Json(), std::move(config), manager_of(request), request.flag("force")));
    if (!before) {
        const auto managed = applied["metadata"]["managedFields"];
        auto object = admit_new(request, context.store, std::move(applied));
        object["metadata"]["managedFields"] = managed;
        return object_response(request, 201, *store_new(request, context, std::move(object)));
    }
    auto object = admit_change(request, *before, std::move(applied));
    return object_response(request, 200, *store_change(request, context, std::move(object)));
}

Object patched(const ApiRequest& request, const Object& before, const Json& patch) {
    const auto type = request.http.headers.get("Content-Type");
    const auto media = type.substr(0, type.find(';'));
    if (media == "application/json-patch+json") return json_patch(before, patch);
    if (media == "application/merge-patch+json") return merge_patch(before, patch);
    if (media == "application/strategic-merge-patch+json") return strategic_merge_patch(before, patch);
    raise_status(415, "UnsupportedMediaType",
                 "the body of the request was in an unknown format - accepted media types include: "
                 "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, "
                 "application/apply-patch+yaml");
}

struct DeleteOptions {
    std::optional<int> grace_seconds;
    std::string propagation;
    Json preconditions;
};

DeleteOptions delete_options(const ApiRequest& request, const Json& body) {
    DeleteOptions out;
    if (body.is_object()) {
        if (const auto it = body.find("gracePeriodSeconds"); it != body.end() && it->is_number_integer())
            out.grace_seconds = it->get<int>();
        out.propagation = body.value("propagationPolicy", "");
        out.preconditions = body.value("preconditions", Json());
        if (body.value("orphanDependents", false)) out.propagation = "Orphan";
    }
    if (const auto text = request.query("gracePeriodSeconds"); !text.empty())
        out.grace_seconds = std::atoi(text.c_str());
    if (const auto text = request.query("propagationPolicy"); !text.empty()) out.propagation = text;
    return out;
}

void check_preconditions(const ApiRequest& request, const Object& object, const Json& preconditions) {
    if (!preconditions.is_object()) return;
    const auto& metadata = object.at("metadata");
    for (const auto& [field, label] : {std::pair("uid", "UID"), std::pair("resourceVersion", "ResourceVersion")})
        if (preconditions.contains(field) && !preconditions[field].is_null() && preconditions[field] != metadata[field])
            raise_conflict(
                request.type(), metadata.value("name", ""),
                fmt::format("Precondition failed: {} in precondition: {}, {} in object meta: {}", label,
                            preconditions[field].get<std::string>(), label, metadata[field].get<std::string>()));
}

// Only pods take their time; one that nobody runs has none to take.
int grace_of(const Object& object, const std::optional<int>& wanted) {
    if (object.value("kind", "") != "Pod") return 0;
    const auto spec = object.value("spec", Json::object());
    const auto phase = object.value("status", Json::object()).value("phase", "");
    if (spec.value("nodeName", "").empty() || phase == "Succeeded" || phase == "Failed") return 0;
    return wanted.value_or(spec.value("terminationGracePeriodSeconds", 30));
}

// Takes the owner out of its dependents, so that they stay when it goes.
void orphan_dependents(ApiContext& context, const Object& owner) {
    const auto uid = owner.at("metadata").at("uid");
    const auto is_owner = [&](const Json& reference) { return reference.value("uid", Json()) == uid; };
    for (const auto& type : resource_types())
        for (const auto& object : context.store.list(type.plural)) {
            const auto references = object->at("metadata").value("ownerReferences", Json::array());
            if (std::ranges::none_of(references, is_owner)) continue;
            auto key = value_or_raise(key_of(*object));
            static_cast<void>(context.store.mutate(key, [&](Object& dependent) {
                auto& list = dependent["metadata"]["ownerReferences"];
                list.erase(std::remove_if(list.begin(), list.end(), is_owner), list.end());
            }));
        }
}

// The object as it was last, and whether it is gone.
std::pair<ObjectPtr, bool> remove_object(const ApiRequest& request, ApiContext& context, const ObjectKey& key,
                                         const DeleteOptions& options) {
    const auto before = context.store.get(key);
    if (!before) raise_not_found(request.type(), key.name);
    check_preconditions(request, *before, options.preconditions);
    if (key.resource == "namespaces" && (key.name == "default" || key.name == "kube-system"))
        raise_forbidden(request.type(), key.name, "this namespace may not be deleted");
    if (request.dry_run()) return {before, true};
    if (options.propagation == "Orphan") orphan_dependents(context, *before);
    if (options.propagation == "Foreground")
        static_cast<void>(context.store.mutate(key, [](Object& object) {
            auto& finalizers = object["metadata"]["finalizers"];
            if (finalizers.is_null()) finalizers = Json::array();
            if (std::ranges::find(finalizers, Json("foregroundDeletion")) == finalizers.end())
                finalizers.push_back("foregroundDeletion");
        }));
    const auto last =
        stored_or_raise(request, key.name, context.store.remove(key, grace_of(*before, options.grace_seconds)));
    return {last, !context.store.get(key)};
}

Json scale_of(const Object& object) {
    const auto& metadata = object.at("metadata");
    std::string selector;
    for (const auto& [key, value] :
         object["spec"].value("selector", Json::object()).value("matchLabels", Json::object()).items())
        selector += (selector.empty() ? "" : ",") + key + "=" + value.get<std::string>();
    return {{"kind", "Scale"},
            {"apiVersion", "autoscaling/v1"},
            {"metadata",
             {{"name", metadata["name"]},
              {"namespace", metadata["namespace"]},
              {"uid", metadata["uid"]},
              {"resourceVersion", metadata["resourceVersion"]},
              {"creationTimestamp", metadata["creationTimestamp"]}}},
            {"spec", {{"replicas", object["spec"].value("replicas", 1)}}},
            {"status",
             {{"replicas", object.value("status", Json::object()).value("replicas", 0)}, {"selector", selector}}}};
}

http::Response set_scale(const ApiRequest& request, ApiContext& context, const Object& before, const Json& scale) {
    const auto& replicas = scale.value("spec", Json::object()).value("replicas", Json(0));
    if (!replicas.is_number_integer() || replicas < 0)
        raise_invalid(request.type(), request.path.name,
                      {{"FieldValueInvalid", "spec.replicas",
                        "Invalid value: " + replicas.dump() + ": must be greater than or equal to 0"}});
    auto wanted = presented(before, request.type());
    wanted["spec"]["replicas"] = replicas;
    if (const auto version = scale.value("metadata", Json::object()).value("resourceVersion", Json());
        !version.is_null())
        wanted["metadata"]["resourceVersion"] = version;
    return json_response(200, scale_of(*change_object(request, context, before, std::move(wanted))));
}

}  // namespace

http::Response create_object(const ApiRequest& request, ApiContext& context) {
    auto object = admit_new(request, context.store, request.body());
    object["metadata"].erase("managedFields");
    track_update(Json(), object, manager_of(request));
    return object_response(request, 201, *store_new(request, context, std::move(object)));
}

http::Response update_object(const ApiRequest& request, ApiContext& context) {
    const auto before = require_object(request, context);
    return object_response(request, 200, *change_object(request, context, *before, request.body()));
}

http::Response patch_object(const ApiRequest& request, ApiContext& context) {
    if (request.http.headers.get("Content-Type").starts_with("application/apply-patch"))
        return apply_object(request, context, request.body());
    const auto before = require_object(request, context);
    auto wanted = patched(request, presented(*before, request.type()), request.body());
    return object_response(request, 200, *change_object(request, context, *before, std::move(wanted)));
}

http::Response delete_object(const ApiRequest& request, ApiContext& context) {
    const auto options = delete_options(request, request.http.body.empty() ? Json() : request.body());
    const auto [object, gone] = remove_object(request, context, request.key(), options);
    if (gone && object->value("kind", "") != "Pod") return json_response(200, success_status(request.type(), *object));
    return object_response(request, 200, *object);
}

http::Response delete_collection(const ApiRequest& request, ApiContext& context) {
    const auto options = delete_options(request, request.http.body.empty() ? Json() : request.body());
    const auto labels = value_or_raise(label_selector(request.query("labelSelector")));
    const auto fields = value_or_raise(field_selector(request.query("fieldSelector")));
    Json items = Json::array();
    for (const auto& object : context.store.list(request.path.plural, request.path.ns)) {
        if (!labels(*object) || !fields(*object)) continue;
        const auto& metadata = object->at("metadata");
        const ObjectKey key{request.path.plural, metadata.value("namespace", ""), metadata.value("name", "")};
        // One removal may take others along.
        if (!context.store.get(key)) continue;
        items.push_back(presented(*remove_object(request, context, key, options).first, request.type()));
    }
    return json_response(200, {{"kind", request.type().kind + "List"},
                               {"apiVersion", request.api_version()},
                               {"metadata", {{"resourceVersion", std::to_string(context.store.resource_version())}}},
                               {"items", std::move(items)}});
}

http::Response get_scale(const ApiRequest& request, ApiContext& context) {
    return json_response(200, scale_of(*require_object(request, context)));
}

http::Response update_scale(const ApiRequest& request, ApiContext& context) {
    const auto before = require_object(request, context);
    return set_scale(request, context, *before, request.body());
}

http::Response patch_scale(const ApiRequest& request, ApiContext& context) {
    const auto before = require_object(request, context);
    return set_scale(request, context, *before, patched(request, scale_of(*before), request.body()));
}

http::Response evict_pod(const ApiRequest& request, ApiContext& context) {
    const auto body = request.body();
    const auto options = delete_options(request, body.value("deleteOptions", Json()));
    const auto pod = require_object(request, context);
    check_preconditions(request, *pod, options.preconditions);
    charge_eviction(context.store, *pod, request.dry_run());
    const auto [object, gone] = remove_object(request, context, request.key(), options);
    return json_response(201, success_status(request.type(), *object));
}

}  // namespace toygres::localkube
