// Which pods stand behind a Service, as the subsets of its Endpoints object. Pure.
#pragma once
#include "localkube/object_store.hpp"

#include <vector>

namespace toygres::localkube {

bool is_selected(const Object& service, const Object& pod);
// Pods that are ready; with publishNotReadyAddresses all that have an address.
Object endpoint_subsets(const Object& service, const std::vector<ObjectPtr>& pods);

}  // namespace toygres::localkube
