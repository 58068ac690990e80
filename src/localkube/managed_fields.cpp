#include "localkube/managed_fields.hpp"

#include <fmt/format.h>

namespace toygres::localkube {
namespace {

struct Entry {
    std::string manager;
    std::string operation;  // "Apply" or "Update"
    std::string api_version;
    std::string subresource;
    std::string time;
    FieldSet fields;

    bool same_writer(const Entry& other) const {
        return manager == other.manager && operation == other.operation && subresource == other.subresource;
    }
};

std::vector<Entry> entries_of(const Object& object) {
    std::vector<Entry> out;
    if (!object.is_object() || !object.contains("metadata")) return out;
    for (const auto& item : object["metadata"].value("managedFields", Json::array()))
        out.push_back({item.value("manager", ""), item.value("operation", ""), item.value("apiVersion", ""),
                       item.value("subresource", ""), item.value("time", ""),
                       FieldSet::from_json(item.value("fieldsV1", Json::object()))});
    return out;
}

void store_entries(Object& object, const std::vector<Entry>& entries) {
    Json list = Json::array();
    for (const auto& entry : entries) {
        if (entry.fields.empty()) continue;
        Json item = {{"manager", entry.manager}, {"operation", entry.operation}, {"apiVersion", entry.api_version},
                     {"fieldsType", "FieldsV1"}, {"time", entry.time},           {"fieldsV1", entry.fields.to_json()}};
        if (!entry.subresource.empty()) item["subresource"] = entry.subresource;
        list.push_back(std::move(item));
    }
    if (list.empty())
        object["metadata"].erase("managedFields");
    else
        object["metadata"]["managedFields"] = std::move(list);
}

// Takes `fields` away from everybody but `writer`.
void take_from_others(std::vector<Entry>& entries, const Entry& writer, const FieldSet& fields) {
    for (auto& entry : entries)
        if (!entry.same_writer(writer)) entry.fields = subtract(entry.fields, fields);
}

Entry& entry_of(std::vector<Entry>& entries, const Entry& writer) {
    for (auto& entry : entries)
        if (entry.same_writer(writer)) return entry;
    return entries.emplace_back(writer);
}

Entry writer_of(const FieldManager& manager, const char* operation) {
    return {manager.name,
            operation,
            manager.api_version,
            manager.subresource,
            format_rfc3339(now()).substr(0, 19) + "Z",
            {}};
}

Error conflict_error(const std::vector<std::pair<const Entry*, std::vector<std::string>>>& conflicts) {
    Json causes = Json::array();
    std::string text;
    for (const auto& [entry, paths] : conflicts) {
        const auto who = fmt::format(
            "conflict with \"{}\"{} using {}", entry->manager,
            entry->subresource.empty() ? "" : " with subresource \"" + entry->subresource + "\"", entry->api_version);
        for (const auto& path : paths) {
            causes.push_back({{"reason", "FieldManagerConflict"}, {"message", who}, {"field", path}});
            text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", who, path);
        }
    }
    const auto count = causes.size();
    return {ErrorKind::conflict,
            "Conflict",
            fmt::format("Apply failed with {} conflict{}: {}", count, count == 1 ? "" : "s", text),
            {{"causes", std::move(causes)}}};
}

}  // namespace

void track_update(const Object& before, Object& after, const FieldManager& manager) {
    auto entries = entries_of(after);
    const auto writer = writer_of(manager, "Update");
    FieldChanges changes;
    if (before.is_null())
        changes.changed = fields_of(after);
    else
        changes = compare_fields(before, after);
    if (changes.changed.empty() && changes.removed.empty()) return;
    const auto touched = unite(changes.changed, changes.removed);
    take_from_others(entries, writer, touched);
    auto& own = entry_of(entries, writer);
    own.fields = subtract(unite(own.fields, changes.changed), subtract(changes.removed, changes.changed));
    own.time = writer.time;
    own.api_version = writer.api_version;
    store_entries(after, entries);
}

Result<Object> server_side_apply(const Object& live, Object config, const FieldManager& manager, bool force) {
    if (config.contains("metadata")) config["metadata"].erase("managedFields");
    auto entries = entries_of(live);
    const auto writer = writer_of(manager, "Apply");
    const auto applied = fields_of(config);
    FieldSet last;
    FieldSet owned = applied;
    for (const auto& entry : entries) {
        if (entry.same_writer(writer))
            last = entry.fields;
        else
            owned = unite(owned, entry.fields);
    }
    Object out = live.is_null() ? config : merge_fields(live, config);
    prune_fields(out, last, owned);
    if (!live.is_null()) {
        const auto changed = compare_fields(live, out).changed;
        std::vector<std::pair<const Entry*, std::vector<std::string>>> conflicts;
        for (const auto& entry : entries) {
            if (entry.same_writer(writer)) continue;
            auto paths = intersect(entry.fields, changed).paths();
            if (!paths.empty()) conflicts.emplace_back(&entry, std::move(paths));
        }
        if (!conflicts.empty() && !force) return std::unexpected(conflict_error(conflicts));
        take_from_others(entries, writer, changed);
    }
    auto& own = entry_of(entries, writer);
    if (own.fields != applied || own.api_version != writer.api_version) {
        own.time = writer.time;
        own.api_version = writer.api_version;
    }
    own.fields = applied;
    store_entries(out, entries);
    return out;
}

}  // namespace toygres::localkube
