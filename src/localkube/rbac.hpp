// May a caller do it? The admin may all; service accounts what the Roles bound to them in the namespace allow.
#pragma once
#include "localkube/object_store.hpp"

#include <string>
#include <string_view>

namespace toygres::localkube {

struct AccessRequest {
    std::string user;  // "admin" or "system:serviceaccount:<ns>:<name>"
    std::string verb;
    std::string group;
    std::string resource;  // with its subresource: "pods/log"
    std::string ns;
    std::string name;
};

// The one object that a list or watch with this field selector can be about: "x" of "metadata.name=x". Empty: any.
// Kubernetes authorizes such a request as one for that name.
std::string name_in_field_selector(std::string_view field_selector);

bool is_allowed(const ObjectStore& store, const AccessRequest& request);

}  // namespace toygres::localkube
