// TLS contexts made of PEM text. Inside src/http only.
#pragma once
#include "http/client.hpp"
#include "http/server.hpp"

#include <boost/asio/ssl.hpp>

#include <memory>
#include <optional>
#include <string>

namespace toygres::http {

using TlsContext = std::shared_ptr<asio::ssl::context>;

// Both throw ErrorException: invalid/"bad_tls".
TlsContext make_server_context(const ServerTls& tls);
TlsContext make_client_context(const ClientTls& tls);

// The common name of the peer's verified certificate.
std::optional<std::string> peer_common_name(SSL* ssl);

// Did TLS itself fail (an untrusted or refused certificate), rather than the connection below it?
bool is_tls_refusal(const boost::system::error_code& error);

}  // namespace toygres::http
