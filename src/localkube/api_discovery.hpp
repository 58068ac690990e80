// What the cluster serves, for clients that ask first: versions, groups, resources, and as much OpenAPI as kubectl
// needs to leave validation to the server.
#pragma once
#include "http/message.hpp"
#include "localkube/object_store.hpp"

#include <optional>
#include <vector>

namespace toygres::localkube {

// The answer to a path that is not one of a resource; empty when there is none.
std::optional<http::Response> discovery_response(const std::vector<std::string>& segments);

}  // namespace toygres::localkube
