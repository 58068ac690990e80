#include "localkube/api_read.hpp"

#include "localkube/admission.hpp"
#include "localkube/api_status.hpp"
#include "localkube/api_write.hpp"

namespace toygres::localkube {

std::optional<IncludeObject> wants_table(const ApiRequest& request) {
    const auto accept = request.http.headers.get("Accept");
    if (accept.find("as=Table") == std::string_view::npos) return std::nullopt;
    const auto include = request.query("includeObject");
    if (include == "None") return IncludeObject::none;
    return include == "Object" ? IncludeObject::full : IncludeObject::metadata;
}

std::function<bool(const Object&)> selection_of(const ApiRequest& request) {
    auto labels = value_or_raise(label_selector(request.query("labelSelector")));
    auto fields = value_or_raise(field_selector(request.query("fieldSelector")));
    // GET of one name with watch=true.
    return [labels = std::move(labels), fields = std::move(fields), ns = request.path.ns,
            name = request.path.name](const Object& object) {
        const auto& metadata = object.at("metadata");
        if (!ns.empty() && metadata.value("namespace", "") != ns) return false;
        if (!name.empty() && metadata.value("name", "") != name) return false;
        return labels(object) && fields(object);
    };
}

http::Response object_response(const ApiRequest& request, int status, const Object& object) {
    auto shown = presented(object, request.type());
    const auto table = wants_table(request);
    if (!table) return json_response(status, shown);
    const auto version = object.at("metadata").value("resourceVersion", "");
    return json_response(
        status, make_table(request.type(), {std::make_shared<const Object>(std::move(shown))}, *table, version));
}

http::Response get_object(const ApiRequest& request, ApiContext& context) {
    const auto object = context.store.get(request.key());
    if (!object) raise_not_found(request.type(), request.path.name);
    return object_response(request, 200, *object);
}

http::Response list_objects(const ApiRequest& request, ApiContext& context) {
    const auto selected = selection_of(request);
    std::vector<ObjectPtr> objects;
    for (auto& object : context.store.list(request.path.plural, request.path.ns))
        if (selected(*object)) objects.push_back(std::move(object));
    const auto version = std::to_string(context.store.resource_version());
    if (const auto table = wants_table(request))
        return json_response(200, make_table(request.type(), objects, *table, version));
    Json items = Json::array();
    for (const auto& object : objects) {
        // The list's own kind says what its items are.
        auto& item = items.emplace_back(*object);
        item.erase("kind");
        item.erase("apiVersion");
    }
    return json_response(200, {{"kind", request.type().kind + "List"},
                               {"apiVersion", request.api_version()},
                               {"metadata", {{"resourceVersion", version}}},
                               {"items", std::move(items)}});
}

}  // namespace toygres::localkube
