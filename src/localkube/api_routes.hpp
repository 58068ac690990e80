// Which handler answers which verb on which resource.
#pragma once
#include "http/server.hpp"
#include "localkube/api_request.hpp"

#include <string_view>

namespace toygres::localkube {

struct ApiRoute {
    std::string_view verb;
    std::string_view resource;     // "*": any that is stored
    std::string_view subresource;  // empty: the object or the collection itself
    // One of the two.
    http::Response (*answer)(const ApiRequest& request, ApiContext& context);
    asio::awaitable<void> (*stream)(const ApiRequest& request, ApiContext& context, http::Exchange& exchange);
};

// Null when there is none: 404, or 405 when the resource has other verbs.
const ApiRoute* find_route(const ResourcePath& path, std::string_view verb);
bool has_any_route(const ResourcePath& path);

}  // namespace toygres::localkube
