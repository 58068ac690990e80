// One connection's bytes, over TCP or TLS alike. Inside src/http only.
#pragma once
#include "base/asio.hpp"
#include "http/tls.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace toygres::http {

using ErrorCode = boost::system::error_code;
using asio::ip::tcp;

class Transport {
  public:
    // `tls` null: plain TCP.
    Transport(tcp::socket socket, TlsContext tls);

    asio::awaitable<ErrorCode> accept_tls();
    // Sends `name` as SNI; verifies the certificate against it when `verify`.
    asio::awaitable<ErrorCode> connect_tls(std::string name, bool verify);
    asio::awaitable<std::pair<ErrorCode, std::size_t>> read_some(asio::mutable_buffer into);
    asio::awaitable<ErrorCode> write(std::string_view data);

    // Ends what is pending; the connection stays usable for a last write.
    void cancel();
    // Ends what is pending and all that follows.
    void close();
    // Tells the peer that no more will come.
    void shutdown_send();
    // Has the peer closed, or sent something that nobody asked for?
    bool stale();

    tcp::socket& socket() { return socket_; }
    bool is_tls() const { return tls_.has_value(); }
    SSL* native_tls() { return tls_ ? tls_->native_handle() : nullptr; }

    // The stream concept that Beast's WebSocket builds on.
    using executor_type = tcp::socket::executor_type;
    executor_type get_executor() { return socket_.get_executor(); }

    template <class Buffers, class Token> auto async_read_some(const Buffers& buffers, Token&& token) {
        return asio::async_initiate<Token, void(ErrorCode, std::size_t)>(
            [this](auto handler, const Buffers& into) {
                if (tls_)
                    tls_->async_read_some(into, std::move(handler));
                else
                    socket_.async_read_some(into, std::move(handler));
            },
            token, buffers);
    }

    template <class Buffers, class Token> auto async_write_some(const Buffers& buffers, Token&& token) {
        return asio::async_initiate<Token, void(ErrorCode, std::size_t)>(
            [this](auto handler, const Buffers& from) {
                if (tls_)
                    tls_->async_write_some(from, std::move(handler));
                else
                    socket_.async_write_some(from, std::move(handler));
            },
            token, buffers);
    }

  private:
    tcp::socket socket_;
    TlsContext context_;  // outlives the stream made of it
    std::optional<asio::ssl::stream<tcp::socket&>> tls_;
};

}  // namespace toygres::http
