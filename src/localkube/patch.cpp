#include "localkube/patch.hpp"

#include "localkube/field_schema.hpp"

#include <algorithm>
#include <map>

namespace toygres::localkube {
namespace {

constexpr std::string_view order_prefix = "$setElementOrder/";
constexpr std::string_view delete_prefix = "$deleteFromPrimitiveList/";

std::string directive_of(const Json& value) { return value.is_object() ? value.value("$patch", "") : std::string(); }

[[noreturn]] void raise_patch(const std::string& problem) { raise(ErrorKind::invalid, "invalid_patch", problem); }

Json merge_maps(Json original, const Json& patch, const std::string& path);

Json merge_keyed(Json original, const Json& patch, const std::string& path, std::string_view key) {
    const auto find = [&](Json& list, const Json& value) {
        return std::ranges::find_if(
            list, [&](const Json& item) { return item.is_object() && item.value(key, Json()) == value; });
    };
    const bool replace = std::ranges::any_of(patch, [](const Json& item) { return directive_of(item) == "replace"; });
    Json out = replace ? Json::array() : std::move(original);
    for (const auto& item : patch) {
        const auto directive = directive_of(item);
        if (directive == "replace" && item.size() == 1) continue;
        if (!item.is_object() || !item.contains(key))
            raise_patch("an item of " + path + " does not contain the declared merge key: " + std::string(key));
        const auto it = find(out, item[key]);
        if (directive == "delete") {
            if (it != out.end()) out.erase(it);
        } else if (it == out.end()) {
            out.push_back(merge_maps(Json::object(), item, path));
        } else {
            *it = merge_maps(std::move(*it), item, path);
        }
    }
    return out;
}

Json unite_primitives(Json original, const Json& patch) {
    for (const auto& item : patch)
        if (std::ranges::find(original, item) == original.end()) original.push_back(item);
    return original;
}

// Items that the order names come in that order, the others after them.
void set_order(Json& list, const Json& order, const std::string& path) {
    if (!list.is_array() || !order.is_array()) return;
    const auto rule = field_rule(path, list);
    const auto place = [&](const Json& item) {
        const auto it = std::ranges::find_if(order, [&](const Json& wanted) {
            if (!wanted.is_object()) return wanted == item;
            return rule.merging == Merging::keyed && item.is_object() &&
                   item.value(rule.keys.front(), Json()) == wanted.value(rule.keys.front(), Json());
        });
        return std::distance(order.begin(), it);
    };
    std::multimap<std::ptrdiff_t, Json> ordered;
    for (auto& item : list) {
        const auto at = place(item);
        ordered.emplace(at, std::move(item));
    }
    list = Json::array();
    for (auto& [at, item] : ordered) list.push_back(std::move(item));
}

void retain_keys(Json& original, const Json& keys) {
    if (!keys.is_array()) raise_patch("$retainKeys is not a list");
    for (auto it = original.begin(); it != original.end();)
        it = std::ranges::find(keys, Json(it.key())) == keys.end() ? original.erase(it) : std::next(it);
}

Json merge_values(Json original, const Json& patch, const std::string& path) {
    if (patch.is_object()) return merge_maps(original.is_object() ? std::move(original) : Json::object(), patch, path);
    if (!patch.is_array()) return patch;
    const auto rule = field_rule(path, patch);
    if (!original.is_array()) original = Json::array();
    if (rule.merging == Merging::keyed) return merge_keyed(std::move(original), patch, path, rule.keys.front());
    if (rule.merging == Merging::set) return unite_primitives(std::move(original), patch);
    return patch;
}

Json merge_maps(Json original, const Json& patch, const std::string& path) {
    const auto directive = directive_of(patch);
    if (directive == "replace") {
        Json out = patch;
        out.erase("$patch");
        return out;
    }
    if (!directive.empty() && directive != "merge" && directive != "delete")
        raise_patch("unknown value of $patch: " + directive);
    if (patch.contains("$retainKeys")) retain_keys(original, patch["$retainKeys"]);
    for (const auto& [name, value] : patch.items()) {
        if (name == "$patch" || name == "$retainKeys" || name.starts_with(order_prefix)) continue;
        if (name.starts_with(delete_prefix)) {
            const auto field = name.substr(delete_prefix.size());
            if (original.contains(field) && original[field].is_array())
                for (const auto& gone : value)
                    if (const auto it = std::ranges::find(original[field], gone); it != original[field].end())
                        original[field].erase(it);
        } else if (value.is_null() || directive_of(value) == "delete") {
            original.erase(name);
        } else {
            original[name] = merge_values(original.value(name, Json()), value, join_path(path, name));
        }
    }
    for (const auto& [name, value] : patch.items()) {
        if (!name.starts_with(order_prefix)) continue;
        const auto field = name.substr(order_prefix.size());
        if (original.contains(field)) set_order(original[field], value, join_path(path, field));
    }
    return original;
}

}  // namespace

Object json_patch(const Object& object, const Json& patch) {
    if (!patch.is_array()) raise_patch("a JSON patch is a list of operations");
    Object out;
    std::string problem;
    try {
        out = object.patch(patch);
    } catch (const Json::exception& e) {
        problem = e.what();
    }
    if (!problem.empty()) raise_patch("the patch does not fit: " + problem);
    if (!out.is_object()) raise_patch("the patch leaves no object");
    return out;
}

Object merge_patch(const Object& object, const Json& patch) {
    if (!patch.is_object()) raise_patch("a merge patch is an object");
    auto out = object;
    out.merge_patch(patch);
    return out;
}

Object strategic_merge_patch(const Object& object, const Json& patch) {
    if (!patch.is_object()) raise_patch("a strategic merge patch is an object");
    return merge_maps(object, patch, "");
}

}  // namespace toygres::localkube
