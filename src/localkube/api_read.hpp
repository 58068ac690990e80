// The handlers that read: one object, a list, a watch; as JSON or as tables.
#pragma once
#include "http/server.hpp"
#include "localkube/api_request.hpp"
#include "localkube/table.hpp"

#include <functional>
#include <optional>

namespace toygres::localkube {

http::Response get_object(const ApiRequest& request, ApiContext& context);
http::Response list_objects(const ApiRequest& request, ApiContext& context);
// Streams events until the client leaves, timeoutSeconds are over, or the server stops.
asio::awaitable<void> watch_objects(const ApiRequest& request, ApiContext& context, http::Exchange& exchange);

// How rows of a table carry their objects; empty when the client wants no tables.
std::optional<IncludeObject> wants_table(const ApiRequest& request);

// The namespace, labels and fields that a list or a watch asks for. Throws 400.
std::function<bool(const Object&)> selection_of(const ApiRequest& request);

}  // namespace toygres::localkube
