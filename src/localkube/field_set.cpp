#include "localkube/field_set.hpp"

#include "localkube/field_schema.hpp"

#include <algorithm>
#include <array>

namespace toygres::localkube {
namespace {

constexpr std::array identity{"apiVersion", "kind"};
constexpr std::array server_metadata{"name",         "namespace",         "uid",
                                     "generation",   "creationTimestamp", "resourceVersion",
                                     "selfLink",     "deletionTimestamp", "deletionGracePeriodSeconds",
                                     "generateName", "managedFields"};

Json without_identity(Json object) {
    for (const auto* field : identity) object.erase(field);
    if (const auto it = object.find("metadata"); it != object.end() && it->is_object()) {
        for (const auto* field : server_metadata) it->erase(field);
        if (it->empty()) object.erase(it);
    }
    return object;
}

const Json* find_item(const Json& list, const Json& key, std::span<const std::string_view> keys) {
    for (const auto& item : list)
        if (item_key(item, keys) == key) return &item;
    return nullptr;
}

// A keyed list whose items do not all have their keys, or have them twice, is taken as a whole.
FieldRule rule_of(std::string_view path, const Json& value) {
    auto rule = field_rule(path, value);
    if (rule.merging != Merging::keyed) return rule;
    std::vector<Json> seen;
    for (const auto& item : value) {
        auto key = item_key(item, rule.keys);
        if (key.is_null() || std::ranges::find(seen, key) != seen.end()) return {Merging::atomic};
        seen.push_back(std::move(key));
    }
    return rule;
}

FieldSet all_fields(const Json& value, const std::string& path) {
    FieldSet out;
    const auto rule = rule_of(path, value);
    if (value.empty() || rule.merging == Merging::atomic) {
        out.member = true;
    } else if (rule.merging == Merging::granular) {
        for (const auto& [name, child] : value.items())
            if (!child.is_null()) out.children["f:" + name] = all_fields(child, join_path(path, name));
    } else if (rule.merging == Merging::set) {
        for (const auto& item : value) out.children["v:" + item.dump()].member = true;
    } else {
        for (const auto& item : value) {
            auto& child = out.children["k:" + item_key(item, rule.keys).dump()];
            child = all_fields(item, path);
            child.member = true;
        }
    }
    return out;
}

struct Comparison {
    void compare(const Json& before, const Json& after, const std::string& path, FieldSet& changed, FieldSet& removed) {
        if (before == after) return;
        const auto rule = rule_of(path, after);
        if (rule.merging == Merging::atomic || rule_of(path, before).merging != rule.merging) {
            changed.member = true;
            return;
        }
        if (rule.merging == Merging::granular) {
            for (const auto& [name, value] : after.items())
                child(before.contains(name) ? &before.at(name) : nullptr, &value, join_path(path, name), "f:" + name,
                      changed, removed);
            for (const auto& [name, value] : before.items())
                if (!after.contains(name)) child(&value, nullptr, join_path(path, name), "f:" + name, changed, removed);
        } else if (rule.merging == Merging::set) {
            for (const auto& item : after)
                if (std::ranges::find(before, item) == before.end()) changed.children["v:" + item.dump()].member = true;
            for (const auto& item : before)
                if (std::ranges::find(after, item) == after.end()) removed.children["v:" + item.dump()].member = true;
        } else {
            for (const auto& item : after) {
                const auto key = item_key(item, rule.keys);
                child(find_item(before, key, rule.keys), &item, path, "k:" + key.dump(), changed, removed);
            }
            for (const auto& item : before) {
                const auto key = item_key(item, rule.keys);
                if (!find_item(after, key, rule.keys)) child(&item, nullptr, path, "k:" + key.dump(), changed, removed);
            }
        }
    }

    void child(const Json* before, const Json* after, const std::string& path, const std::string& element,
               FieldSet& changed, FieldSet& removed) {
        FieldSet below_changed;
        FieldSet below_removed;
        const bool is_item = element.starts_with("k:");
        if (before && after) {
            compare(*before, *after, path, below_changed, below_removed);
        } else if (after) {
            below_changed = all_fields(*after, path);
            below_changed.member = below_changed.member || is_item;
        } else {
            below_removed = all_fields(*before, path);
            below_removed.member = below_removed.member || is_item;
        }
        if (!below_changed.empty()) changed.children[element] = std::move(below_changed);
        if (!below_removed.empty()) removed.children[element] = std::move(below_removed);
    }
};

Json merge_at(const Json& live, const Json& wanted, const std::string& path) {
    const auto rule = rule_of(path, wanted);
    if (rule.merging == Merging::atomic || rule_of(path, live).merging != rule.merging) return wanted;
    Json out = live;
    if (rule.merging == Merging::granular) {
        for (const auto& [name, value] : wanted.items()) {
            if (value.is_null()) continue;
            out[name] = out.contains(name) ? merge_at(out[name], value, join_path(path, name)) : value;
        }
    } else if (rule.merging == Merging::set) {
        for (const auto& item : wanted)
            if (std::ranges::find(out, item) == out.end()) out.push_back(item);
    } else {
        for (const auto& item : wanted) {
            const auto key = item_key(item, rule.keys);
            const auto it =
                std::ranges::find_if(out, [&](const Json& have) { return item_key(have, rule.keys) == key; });
            if (it == out.end())
                out.push_back(item);
            else
                *it = merge_at(*it, item, path);
        }
    }
    return out;
}

// Others than API clients write metadata, labels and annotations without a claim to them: these never go as a whole.
bool is_shared_map(std::string_view path) {
    return path == "metadata" || path == "metadata/labels" || path == "metadata/annotations";
}

void prune_at(Json& value, const std::string& path, const FieldSet& last, const FieldSet& owned) {
    static const FieldSet none;
    for (const auto& [element, below] : last.children) {
        const auto it = owned.children.find(element);
        const bool is_owned = it != owned.children.end();
        const auto rest = std::string_view(element).substr(2);
        if (element.starts_with("f:")) {
            const auto field = value.is_object() ? value.find(std::string(rest)) : value.end();
            if (!value.is_object() || field == value.end()) continue;
            const auto field_path = join_path(path, rest);
            if (is_owned || is_shared_map(field_path)) {
                prune_at(*field, field_path, below, is_owned ? it->second : none);
                if (!is_owned && field->empty()) value.erase(field);
            } else {
                value.erase(field);
            }
        } else if (value.is_array()) {
            const auto key = Json::parse(rest, nullptr, false);
            const auto rule = field_rule(path, value);
            const auto item = std::ranges::find_if(value, [&](const Json& have) {
                return element.starts_with("v:") ? have == key : item_key(have, rule.keys) == key;
            });
            if (item == value.end()) continue;
            if (is_owned)
                prune_at(*item, path, below, it->second);
            else
                value.erase(item);
        }
    }
}

void add_paths(const FieldSet& set, const std::string& path, std::vector<std::string>& out) {
    if (set.member && set.children.empty()) out.push_back(path);
    for (const auto& [element, child] : set.children) {
        const auto rest = element.substr(2);
        if (element.starts_with("f:")) {
            add_paths(child, path + "." + rest, out);
        } else if (element.starts_with("v:")) {
            add_paths(child, path + "[=" + rest + "]", out);
        } else {
            std::string keys;
            const auto key = Json::parse(rest, nullptr, false);
            for (const auto& [name, value] : key.items()) keys += (keys.empty() ? "" : ",") + name + "=" + value.dump();
            add_paths(child, path + "[" + keys + "]", out);
        }
    }
}

}  // namespace

Json FieldSet::to_json() const {
    Json out = Json::object();
    if (children.empty()) return out;
    if (member) out["."] = Json::object();
    for (const auto& [element, child] : children) out[element] = child.to_json();
    return out;
}

FieldSet FieldSet::from_json(const Json& fields) {
    FieldSet out;
    if (!fields.is_object()) return out;
    out.member = fields.empty() || fields.contains(".");
    for (const auto& [element, child] : fields.items())
        if (element.size() > 2 && element[1] == ':') out.children[element] = from_json(child);
    return out;
}

std::vector<std::string> FieldSet::paths() const {
    std::vector<std::string> out;
    add_paths(*this, "", out);
    return out;
}

FieldSet unite(const FieldSet& a, const FieldSet& b) {
    FieldSet out = a;
    out.member = a.member || b.member;
    for (const auto& [element, child] : b.children) out.children[element] = unite(out.children[element], child);
    return out;
}

FieldSet subtract(const FieldSet& a, const FieldSet& b) {
    FieldSet out;
    out.member = a.member && !b.member;
    for (const auto& [element, child] : a.children) {
        const auto it = b.children.find(element);
        auto rest = it == b.children.end() ? child : subtract(child, it->second);
        if (!rest.empty()) out.children[element] = std::move(rest);
    }
    return out;
}

FieldSet intersect(const FieldSet& a, const FieldSet& b) {
    FieldSet out;
    out.member = a.member && b.member;
    for (const auto& [element, child] : a.children) {
        const auto it = b.children.find(element);
        if (it == b.children.end()) continue;
        auto both = intersect(child, it->second);
        if (!both.empty()) out.children[element] = std::move(both);
    }
    return out;
}

FieldSet fields_of(const Json& object) {
    auto out = all_fields(without_identity(object), "");
    out.member = false;
    return out;
}

FieldChanges compare_fields(const Json& before, const Json& after) {
    FieldChanges out;
    Comparison().compare(without_identity(before), without_identity(after), "", out.changed, out.removed);
    return out;
}

Json merge_fields(const Json& live, const Json& wanted) { return merge_at(live, wanted, ""); }

void prune_fields(Json& object, const FieldSet& last, const FieldSet& owned) { prune_at(object, "", last, owned); }

}  // namespace toygres::localkube
