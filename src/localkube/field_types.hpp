// Holds objects against the schema, as Kubernetes' decoder does, so that nothing behind the API meets a number where it
// expects text, and typing errors do not pass unseen.
#pragma once
#include "localkube/object_store.hpp"

#include <string>
#include <vector>

namespace toygres::localkube {

// Throws 400 with the path of the first field that has another JSON type than its kind says.
void check_field_types(const ResourceType& type, const Object& object);

// Takes out the fields that the kind does not have; their paths ("spec.replcas").
std::vector<std::string> drop_unknown_fields(const ResourceType& type, Object& object);

}  // namespace toygres::localkube
