// The values that a Kubernetes API server fills in where an object says nothing, as far as users or controllers see
// them.
#pragma once
#include "localkube/object_store.hpp"

namespace toygres::localkube {

// Fills `object` of that kind in place; filling twice changes nothing more.
void fill_defaults(const ResourceType& type, Object& object);

// The status of a new object: {"phase": "Pending"} of a pod; null for kinds that have none.
Json initial_status(const ResourceType& type);

// Is `status` of this kind written through the status subresource only?
bool has_status_subresource(const ResourceType& type);

}  // namespace toygres::localkube
