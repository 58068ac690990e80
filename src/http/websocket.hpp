// WebSockets of the server, on Beast. Inside src/http only.
#pragma once
#include "http/server.hpp"
#include "http/transport.hpp"

#include <memory>
#include <string>

namespace toygres::http {

bool is_websocket_request(const Request& request);

// Null when the handshake fails. The connection's bytes belong to the WebSocket from then on.
asio::awaitable<std::unique_ptr<WebSocket>> accept_websocket(std::shared_ptr<Transport> transport,
                                                             const Request& request, std::string subprotocol,
                                                             std::size_t message_limit_bytes);

}  // namespace toygres::http
