#include "http/websocket.hpp"

#include "http/write_turns.hpp"

#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/websocket.hpp>

namespace toygres::http {

namespace beast = boost::beast;
namespace websocket = beast::websocket;

namespace {

// A Transport as the next layer of Beast's stream; copies share it.
class SharedTransport {
  public:
    explicit SharedTransport(std::shared_ptr<Transport> transport) : transport_(std::move(transport)) {}
    using executor_type = Transport::executor_type;
    executor_type get_executor() { return transport_->get_executor(); }
    template <class Buffers, class Token> auto async_read_some(const Buffers& buffers, Token&& token) {
        return transport_->async_read_some(buffers, std::forward<Token>(token));
    }
    template <class Buffers, class Token> auto async_write_some(const Buffers& buffers, Token&& token) {
        return transport_->async_write_some(buffers, std::forward<Token>(token));
    }

    friend void beast_close_socket(SharedTransport& layer) { layer.transport_->close(); }
    template <class Handler> friend void async_teardown(beast::role_type, SharedTransport& layer, Handler&& handler) {
        layer.transport_->shutdown_send();
        asio::post(layer.get_executor(), beast::bind_handler(std::forward<Handler>(handler), ErrorCode()));
    }

  private:
    std::shared_ptr<Transport> transport_;
};

class BeastWebSocket : public WebSocket {
  public:
    explicit BeastWebSocket(std::shared_ptr<Transport> transport)
        : stream(SharedTransport(transport)), transport_(std::move(transport)), turns_(transport_->get_executor()) {}
    ~BeastWebSocket() override { transport_->close(); }

    asio::awaitable<std::optional<WebSocketMessage>> read() override {
        beast::flat_buffer buffer;
        const auto [error, size] = co_await stream.async_read(buffer, use);
        if (error) co_return std::nullopt;
        co_return WebSocketMessage{stream.got_binary(), beast::buffers_to_string(buffer.data())};
    }

    asio::awaitable<bool> write(WebSocketMessage message) override {
        const auto turn = co_await turns_.take();
        if (broken_) co_return false;
        stream.binary(message.binary);
        const auto [error, size] = co_await stream.async_write(asio::buffer(message.data), use);
        broken_ = error.failed();
        co_return !broken_;
    }

    asio::awaitable<void> close(std::string_view reason) override {
        // A close frame holds 123 bytes of reason.
        const websocket::close_reason why(websocket::close_code::normal, std::string(reason.substr(0, 123)));
        const auto turn = co_await turns_.take();
        if (broken_) co_return;
        broken_ = true;
        co_await stream.async_close(why, use);
    }

    websocket::stream<SharedTransport> stream;

  private:
    std::shared_ptr<Transport> transport_;
    WriteTurns turns_;
    bool broken_ = false;
};

beast::http::request<beast::http::empty_body> handshake_of(const Request& request) {
    beast::http::request<beast::http::empty_body> out;
    out.version(11);
    out.method_string(request.method);
    out.target(request.target);
    for (const auto& [name, value] : request.headers) out.insert(name, value);
    return out;
}

}  // namespace

bool is_websocket_request(const Request& request) { return websocket::is_upgrade(handshake_of(request)); }

asio::awaitable<std::unique_ptr<WebSocket>> accept_websocket(std::shared_ptr<Transport> transport,
                                                             const Request& request, std::string subprotocol,
                                                             std::size_t message_limit_bytes) {
    auto out = std::make_unique<BeastWebSocket>(std::move(transport));
    out->stream.set_option(websocket::stream_base::timeout{
        .handshake_timeout = std::chrono::seconds(15),
        .idle_timeout = std::chrono::seconds(60),
        .keep_alive_pings = true,
    });
    out->stream.read_message_max(message_limit_bytes);
    out->stream.set_option(websocket::stream_base::decorator([subprotocol](websocket::response_type& response) {
        if (!subprotocol.empty()) response.set(beast::http::field::sec_websocket_protocol, subprotocol);
    }));
    const auto handshake = handshake_of(request);
    const auto [error] = co_await out->stream.async_accept(handshake, use);
    if (error) co_return nullptr;
    co_return out;
}

}  // namespace toygres::http
