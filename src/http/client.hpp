// An HTTP/1.1 client on Asio: keep-alive pool, TLS with a private CA and client certificates, streamed bodies.
#pragma once
#include "base/asio.hpp"
#include "http/message.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace toygres::http {

// PEM text, not paths.
struct ClientTls {
    std::string ca_pem;  // empty: the system's trust store
    std::string certificate_pem;
    std::string private_key_pem;
    std::string server_name;  // the name that is verified and sent as SNI; empty: the URL's host
    bool verify = true;
};

struct ClientOptions {
    std::string base_url;  // "https://10.0.0.1:6443"; scheme http or https
    std::optional<ClientTls> tls{};
    std::size_t connections_max = 32;  // further requests wait for a free one
    std::chrono::milliseconds connect_timeout{5'000};
    std::chrono::milliseconds idle_timeout{30'000};  // a pooled connection older than this is not used again
    std::size_t body_limit_bytes = 64 << 20;
};

class Client {
  public:
    // Throws ErrorException: invalid/"invalid_url", invalid/"bad_tls".
    Client(asio::any_io_executor executor, ClientOptions options);
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // `request.target` is joined to base_url. Any HTTP status is a value. Errors: transient/"connect_failed",
    // transient/"connection_lost", timeout/"request_timed_out", invalid/"tls_untrusted", invalid/"response_too_large".
    // A request that failed on a
    // pooled connection before any byte of the answer is sent once more if its method is idempotent (GET, PUT, DELETE,
    // HEAD).
    asio::awaitable<Result<Response>> send(Request request, std::chrono::milliseconds timeout);

    // Hands the body over as it arrives, for watches and logs. `on_data` gets each piece; return false to stop. When
    // the status is not 2xx the whole body is collected and returned in the Response, and on_data is not called. Ends
    // without error when the server ends the body. `idle_timeout`: the longest silence; timeout/"request_timed_out"
    // after it.
    asio::awaitable<Result<Response>> stream(Request request, std::chrono::milliseconds idle_timeout,
                                             std::function<bool(std::string_view)> on_data);

    class Impl;  // in client.cpp

  private:
    std::shared_ptr<Impl> impl_;
};

}  // namespace toygres::http
