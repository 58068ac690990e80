#include "localkube/table.hpp"

#include <fmt/format.h>

namespace toygres::localkube {
namespace {

Json partial_metadata(const Object& object) {
    return {{"kind", "PartialObjectMetadata"}, {"apiVersion", "meta.k8s.io/v1"}, {"metadata", object.at("metadata")}};
}

Json column_definitions(const TableKind& kind) {
    Json out = Json::array();
    for (const auto& column : kind.columns) {
        const bool is_name = std::string_view(column.name) == "Name";
        out.push_back({{"name", column.name},
                       {"type", column.type},
                       {"format", is_name ? "name" : ""},
                       {"description", ""},
                       {"priority", column.wide ? 1 : 0}});
    }
    return out;
}

}  // namespace

Json make_table(const ResourceType& type, const std::vector<ObjectPtr>& objects, IncludeObject include,
                const std::string& resource_version) {
    const auto& kind = table_kind(type.plural);
    Json rows = Json::array();
    for (const auto& object : objects) {
        Json row = {{"cells", kind.cells(*object)}};
        if (include == IncludeObject::metadata) row["object"] = partial_metadata(*object);
        if (include == IncludeObject::full) row["object"] = *object;
        rows.push_back(std::move(row));
    }
    return {{"kind", "Table"},
            {"apiVersion", "meta.k8s.io/v1"},
            {"metadata", {{"resourceVersion", resource_version}}},
            {"columnDefinitions", column_definitions(kind)},
            {"rows", std::move(rows)}};
}

std::string human_age(std::chrono::seconds age) {
    const auto s = std::max<long long>(age.count(), 0);
    const auto two = [](long long a, const char* big, long long b, const char* small) {
        return b == 0 ? fmt::format("{}{}", a, big) : fmt::format("{}{}{}{}", a, big, b, small);
    };
    const auto minutes = s / 60;
    const auto hours = s / 3600;
    const auto days = hours / 24;
    if (s < 120) return fmt::format("{}s", s);
    if (minutes < 10) return two(minutes, "m", s % 60, "s");
    if (minutes < 180) return fmt::format("{}m", minutes);
    if (hours < 8) return two(hours, "h", minutes % 60, "m");
    if (hours < 48) return fmt::format("{}h", hours);
    if (days < 8) return two(days, "d", hours % 24, "h");
    if (days < 365 * 2) return fmt::format("{}d", days);
    if (days < 365 * 8) return two(days / 365, "y", days % 365, "d");
    return fmt::format("{}y", days / 365);
}

std::string age_of(const Json& time) {
    if (!time.is_string()) return "<unknown>";
    const auto t = parse_rfc3339(time.get_ref<const std::string&>());
    return t ? human_age(std::chrono::duration_cast<std::chrono::seconds>(now() - *t)) : "<unknown>";
}

const Json& value_at(const Json& object, std::initializer_list<const char*> path) {
    static const Json none;
    const auto* at = &object;
    for (const char* field : path) {
        if (!at->is_object()) return none;
        const auto it = at->find(field);
        if (it == at->end()) return none;
        at = &*it;
    }
    return *at;
}

std::string text_at(const Json& object, std::initializer_list<const char*> path, const std::string& otherwise) {
    const auto& value = value_at(object, path);
    if (value.is_null() || value == "") return otherwise;
    return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace toygres::localkube
