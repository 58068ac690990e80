// An HTTP/1.1 server on Asio: keep-alive, optional TLS, streamed responses, WebSocket upgrade, limits, graceful stop.
#pragma once
#include "base/asio.hpp"
#include "http/message.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace toygres::http {

// PEM text, not paths.
struct ServerTls {
    std::string certificate_chain_pem;
    std::string private_key_pem;
    std::string client_ca_pem;  // not empty: client certificates are verified against it
    bool require_client_certificate = false;
};

struct ServerOptions {
    std::string address = "127.0.0.1";
    unsigned short port = 0;  // 0: any free port
    std::optional<ServerTls> tls{};
    std::size_t body_limit_bytes = 1 << 20;  // larger: 413 and the connection closes
    std::size_t header_limit_bytes = 16 << 10;
    std::chrono::milliseconds header_timeout{15'000};  // from the first byte of a request to its last
    std::chrono::milliseconds idle_timeout{75'000};    // between two requests of a connection
    std::size_t connections_max = 4096;
    // Called when a request breaks a limit or is not HTTP (400, 408, 413, 431, 503), or its handler failed (500, with
    // the error's code as detail): lets the API answer problem+json.
    std::function<Response(int status, std::string_view detail)> error_page{};
};

// Binary or text message of a WebSocket.
struct WebSocketMessage {
    bool binary;
    std::string data;
};

class WebSocket {
  public:
    virtual ~WebSocket() = default;
    // nullopt once the peer closed or the connection broke.
    virtual asio::awaitable<std::optional<WebSocketMessage>> read() = 0;
    // false once the connection is broken. Calls are queued, so that several coroutines may write.
    virtual asio::awaitable<bool> write(WebSocketMessage message) = 0;
    virtual asio::awaitable<void> close(std::string_view reason) = 0;
};

// A connection's bytes after an upgrade to a protocol of the handler's own.
class ByteStream {
  public:
    virtual ~ByteStream() = default;
    // As they arrive, 32 KiB at most; empty once the peer closed or the connection broke.
    virtual asio::awaitable<std::string> read() = 0;
    // false once the connection is broken. Calls are queued, so that several coroutines may write.
    virtual asio::awaitable<bool> write(std::string data) = 0;
    // Tells the peer that no more will come.
    virtual void shutdown_send() = 0;
};

// One request being answered. Exactly one of respond, begin_stream, upgrade or upgrade_to ends up called; a handler
// that returns without any gives 500.
class Exchange {
  public:
    virtual ~Exchange() = default;
    virtual const Request& request() const = 0;
    virtual asio::awaitable<void> respond(Response response) = 0;
    // Sends the head; the body follows in chunks (chunked transfer coding).
    virtual asio::awaitable<void> begin_stream(int status, Headers headers) = 0;
    // false once the client is gone; the handler should return then.
    virtual asio::awaitable<bool> write(std::string_view chunk) = 0;
    // Completes when the client is gone or the server stops: race it against the wait for something to stream.
    virtual asio::awaitable<void> closed() = 0;
    // Accepts a WebSocket with that subprotocol (empty: none). Null when the request asks for none (respond() is still
    // open then) or when the client left during the handshake.
    virtual asio::awaitable<std::unique_ptr<WebSocket>> upgrade(std::string_view subprotocol) = 0;
    // Answers 101 with these fields and gives the connection away. Null when the request asks for no upgrade to that
    // protocol (respond() is still open then) or when the client left.
    virtual asio::awaitable<std::unique_ptr<ByteStream>> upgrade_to(std::string_view protocol, Headers headers) = 0;
};

// May throw: an ErrorException or anything else becomes a 500 that tells nothing but a code (logged once, here).
using Handler = std::function<asio::awaitable<void>(Exchange&)>;

class Server {
  public:
    // Binds at once. Throws ErrorException: invalid/"address_unusable" (taken, not local), invalid/"bad_tls".
    Server(asio::io_context& io, ServerOptions options, Handler handler);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    unsigned short port() const;
    void start();
    // Stops accepting; ends idle connections at once, streams at their next wait, requests within `grace`.
    asio::awaitable<void> stop(std::chrono::milliseconds grace);
    // Takes a renewed certificate for connections to come. Throws ErrorException: invalid/"bad_tls".
    void replace_tls(ServerTls tls);

    class Impl;  // in server.cpp

  private:
    std::shared_ptr<Impl> impl_;
};

}  // namespace toygres::http
