// Evictions of pods and the disruption budgets that stand against them, by the rules of Kubernetes' eviction REST
// storage.
#pragma once
#include "localkube/object_store.hpp"

namespace toygres::localkube {

// Whether the pod's Ready condition is True.
bool is_ready_pod(const Object& pod);

// Takes the pod's eviction out of its budget; the pod may be deleted then. Throws 429 TooManyRequests, with the budget
// as its cause, when the budget does not allow it or is not up to date yet, and 500 when more than one budget covers
// the pod. `dry_run` takes nothing.
void charge_eviction(ObjectStore& store, const Object& pod, bool dry_run);

}  // namespace toygres::localkube
