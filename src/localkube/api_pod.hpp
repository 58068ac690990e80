// The handlers that reach into a running pod: its logs, and processes inside it.
#pragma once
#include "http/server.hpp"
#include "localkube/api_request.hpp"

namespace toygres::localkube {

// GET …/pods/<name>/log: text/plain, streamed with follow=true.
asio::awaitable<void> pod_log(const ApiRequest& request, ApiContext& context, http::Exchange& exchange);
// GET or POST …/pods/<name>/exec as a WebSocket or SPDY/3.1.
asio::awaitable<void> pod_exec(const ApiRequest& request, ApiContext& context, http::Exchange& exchange);

}  // namespace toygres::localkube
