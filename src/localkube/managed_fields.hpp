// metadata.managedFields: who set which field, and server-side apply on top of it.
#pragma once
#include "base/error.hpp"
#include "localkube/field_set.hpp"
#include "localkube/object_store.hpp"

#include <string>
#include <vector>

namespace toygres::localkube {

// Who writes, and through what.
struct FieldManager {
    std::string name;
    std::string api_version;
    std::string subresource;  // "" or "status"
};

// Records in `after` what an ordinary write changed of `before` (null: a new object). The writer takes the fields over
// from everybody else. Leaves managedFields alone when nothing changed.
void track_update(const Object& before, Object& after, const FieldManager& manager);

// The object after `config` was applied over `live` (null: there is none), managedFields included. Fields that the
// manager applied before and does not now are removed unless somebody else owns them too. Error without `force`:
// conflict/"Conflict" with details {"causes": [{"reason", "message", "field"}]}.
Result<Object> server_side_apply(const Object& live, Object config, const FieldManager& manager, bool force);

}  // namespace toygres::localkube
