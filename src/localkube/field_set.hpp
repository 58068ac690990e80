// Sets of an object's fields, as metadata.managedFields records them (FieldsV1). After
// sigs.k8s.io/structured-merge-diff.
#pragma once
#include "base/json.hpp"

#include <map>
#include <string>
#include <vector>

namespace toygres::localkube {

// A tree of path elements: "f:name" a field, "k:{...}" an item of a keyed list, "v:..." a member of a set.
struct FieldSet {
    bool member = false;  // the path itself belongs to the set, not only what is below it
    std::map<std::string, FieldSet> children;

    bool empty() const { return !member && children.empty(); }
    bool operator==(const FieldSet&) const = default;

    Json to_json() const;
    static FieldSet from_json(const Json& fields);
    // ".spec.replicas", ".spec.template.spec.containers[name=\"a\"].image"
    std::vector<std::string> paths() const;
};

FieldSet unite(const FieldSet& a, const FieldSet& b);
FieldSet subtract(const FieldSet& a, const FieldSet& b);
FieldSet intersect(const FieldSet& a, const FieldSet& b);

// All fields of an object but its identity and what only the server sets.
FieldSet fields_of(const Json& object);

struct FieldChanges {
    FieldSet changed;  // new, or with another value
    FieldSet removed;
};
FieldChanges compare_fields(const Json& before, const Json& after);

// `live` with all that `wanted` says: keyed lists item by item, atomic values as a whole.
Json merge_fields(const Json& live, const Json& wanted);

// Takes out of `object` what `last` holds and nothing of `owned` does; a struct that nobody owns any more goes with its
// defaults.
void prune_fields(Json& object, const FieldSet& last, const FieldSet& owned);

}  // namespace toygres::localkube
