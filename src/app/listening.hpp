// How the server may be listened to: in clear on the loopback alone, elsewhere with a certificate from two files that
// may be replaced while it runs.
#pragma once
#include "app/server.hpp"
#include "http/server.hpp"

#include <optional>
#include <string>

namespace toygres::app {

// "127.0.0.1", "::1", "::ffff:127.0.0.1".
bool is_loopback(const std::string& address);

// Error: invalid/"plain_http_refused", when others could listen in, with what to do.
Result<void> check_listening(const ServerConfig& config);

// The pair as the files hold it now; nullopt: none is named. Errors: not_found/"file_not_found",
// invalid/"certificate_mismatch" when the key is not the certificate's, which it may be for a moment while both are
// replaced.
Result<std::optional<http::ServerTls>> read_tls(const ServerConfig& config);

// Whether both show the same certificate by the same key.
bool same_pair(const http::ServerTls& a, const http::ServerTls& b);

}  // namespace toygres::app
