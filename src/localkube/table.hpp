// Objects as the tables that kubectl prints (meta.k8s.io/v1 Table), with kubectl's usual columns per kind.
#pragma once
#include "localkube/object_store.hpp"

#include <chrono>
#include <vector>

namespace toygres::localkube {

enum class IncludeObject { none, metadata, full };

// A Table of these objects; `resource_version` of the list they come from.
Json make_table(const ResourceType& type, const std::vector<ObjectPtr>& objects, IncludeObject include,
                const std::string& resource_version);

// "5m30s", "3d4h": at most two units, as kubectl prints ages.
std::string human_age(std::chrono::seconds age);
// Age of an RFC 3339 time; "<unknown>" for none.
std::string age_of(const Json& time);

// One kind's columns, with a function for its cells. In table_columns.cpp and pod_columns.cpp.
struct TableColumn {
    const char* name;
    const char* type;  // "string", "integer"
    bool wide;         // only with -o wide
};
struct TableKind {
    std::string_view resource;
    std::vector<TableColumn> columns;
    Json (*cells)(const Object& object);
};
// Kinds that none is given for have name and age.
const TableKind& table_kind(std::string_view resource);
Json pod_cells(const Object& object);

// The text of a member at a path; `otherwise` when it is absent or empty.
std::string text_at(const Json& object, std::initializer_list<const char*> path,
                    const std::string& otherwise = "<none>");
const Json& value_at(const Json& object, std::initializer_list<const char*> path);

}  // namespace toygres::localkube
