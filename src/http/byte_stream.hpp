// A connection after an upgrade to a protocol that this layer does not speak: bytes. Inside src/http only.
#pragma once
#include "http/server.hpp"
#include "http/transport.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace toygres::http {

bool is_upgrade_to(const Request& request, std::string_view protocol);

// Answers 101 with these fields; null when the client left meanwhile. `early`: what it sent behind its request.
asio::awaitable<std::unique_ptr<ByteStream>> accept_byte_stream(std::shared_ptr<Transport> transport,
                                                                std::string protocol, Headers headers,
                                                                std::string early);

}  // namespace toygres::http
