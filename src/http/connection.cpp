#include "http/connection.hpp"

#include "base/assert.hpp"
#include "base/log.hpp"
#include "http/byte_stream.hpp"
#include "http/response_text.hpp"
#include "http/websocket.hpp"

#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <array>

namespace toygres::http {
namespace {

namespace beast = boost::beast;
using RequestParser = beast::http::request_parser<beast::http::string_body>;

// What to answer to bytes that are not a request we take; 0: nothing, the peer just left.
int status_of(const ErrorCode& error) {
    using beast::http::error;
    const auto is = [&](beast::http::error e) { return error == beast::http::make_error_code(e); };
    if (is(error::header_limit) || is(error::buffer_overflow)) return 431;
    if (is(error::body_limit)) return 413;
    if (is(error::end_of_stream) || is(error::partial_message)) return 0;
    return 400;
}

Request take_request(RequestParser& parser) {
    auto message = parser.release();
    Request out;
    out.method = message.method_string();
    out.target = message.target();
    for (const auto& field : message) {
        const std::string_view name(field.name_string().data(), field.name_string().size());
        std::string value(field.value());
        // RFC 9110 5.3: fields of one name are one list.
        if (out.headers.has(name)) value = std::string(out.headers.get(name)) + ", " + value;
        out.headers.set(name, std::move(value));
    }
    out.body = std::move(message.body());
    return out;
}

}  // namespace

// The handler's view of one request. Lives in serve_one's frame.
class Connection::ActiveExchange : public Exchange {
  public:
    enum class State { waiting, responded, streaming, upgraded, broken };

    ActiveExchange(Connection& connection, Request request, bool keep_alive)
        : connection_(connection), request_(std::move(request)), keep_alive_(keep_alive) {}

    const Request& request() const override { return request_; }

    asio::awaitable<void> respond(Response response) override {
        TG_ASSERT(state_ == State::waiting);
        state_ = State::responded;
        keep_alive_ = keep_alive_ && !connection_.stopping_;
        const bool head_only = request_.method == "HEAD";
        auto text =
            response_head(response.status, response.headers, {.length = response.body.size(), .close = !keep_alive_});
        if (!head_only && may_have_body(response.status)) text += response.body;
        if (!co_await connection_.write(std::move(text))) state_ = State::broken;
    }

    asio::awaitable<void> begin_stream(int status, Headers headers) override {
        TG_ASSERT(state_ == State::waiting);
        state_ = State::streaming;
        if (!co_await connection_.write(
                response_head(status, headers, {.length = std::nullopt, .close = !keep_alive_})))
            state_ = State::broken;
    }

    asio::awaitable<bool> write(std::string_view chunk) override {
        if (state_ == State::broken) co_return false;
        TG_ASSERT(state_ == State::streaming);
        if (chunk.empty() || request_.method == "HEAD") co_return true;
        if (!co_await connection_.write(chunk_text(chunk))) state_ = State::broken;
        co_return state_ == State::streaming;
    }

    asio::awaitable<void> closed() override { return connection_.wait_closed(); }

    asio::awaitable<std::unique_ptr<WebSocket>> upgrade(std::string_view subprotocol) override {
        TG_ASSERT(state_ == State::waiting);
        TG_ASSERT(!connection_.watching_);
        if (!is_websocket_request(request_)) co_return nullptr;
        state_ = State::upgraded;
        connection_.upgraded_ = true;
        co_return co_await accept_websocket(connection_.transport_, request_, std::string(subprotocol),
                                            connection_.shared_->options.body_limit_bytes);
    }

    asio::awaitable<std::unique_ptr<ByteStream>> upgrade_to(std::string_view protocol, Headers headers) override {
        TG_ASSERT(state_ == State::waiting);
        TG_ASSERT(!connection_.watching_);
        if (!is_upgrade_to(request_, protocol)) co_return nullptr;
        state_ = State::upgraded;
        connection_.upgraded_ = true;
        co_return co_await accept_byte_stream(connection_.transport_, std::string(protocol), std::move(headers),
                                              beast::buffers_to_string(connection_.buffer_.data()));
    }

    // After the handler. false: the connection cannot be used any more.
    asio::awaitable<bool> finish(bool failed) {
        if (state_ == State::streaming && !failed && request_.method != "HEAD") {
            if (!co_await connection_.write(std::string(last_chunk))) state_ = State::broken;
        }
        const bool whole = state_ == State::responded || (state_ == State::streaming && !failed);
        co_return whole&& keep_alive_ && !connection_.stopping_;
    }

    State state() const { return state_; }

  private:
    Connection& connection_;
    Request request_;
    bool keep_alive_;
    State state_ = State::waiting;
};

Connection::Connection(std::shared_ptr<Transport> transport, std::shared_ptr<const ServerShared> shared)
    : transport_(std::move(transport)),
      shared_(std::move(shared)),
      read_deadline_(transport_->get_executor()),
      write_deadline_(transport_->get_executor()),
      changed_(transport_->get_executor()) {
    ErrorCode error;
    const auto endpoint = transport_->socket().remote_endpoint(error);
    if (!error) {
        const auto address = endpoint.address().to_string();
        peer_ = (endpoint.address().is_v6() ? "[" + address + "]" : address) + ":" + std::to_string(endpoint.port());
    }
}

asio::awaitable<void> Connection::run() {
    if (transport_->is_tls()) {
        read_deadline_.arm(shared_->options.header_timeout, [this] { transport_->close(); });
        const auto error = co_await transport_->accept_tls();
        read_deadline_.disarm();
        if (error) co_return transport_->close();
    }
    while (co_await serve_one()) {
    }
    transport_->close();
}

asio::awaitable<void> Connection::refuse_busy() {
    // A handshake is what a full server must not spend time on.
    if (!transport_->is_tls()) co_await answer_error(503, "too many connections");
    transport_->close();
}

void Connection::stop() {
    stopping_ = true;
    if (idle_ || upgraded_) transport_->close();
    changed_.notify();
}

asio::awaitable<bool> Connection::serve_one() {
    idle_ = true;
    if (stopping_) co_return false;
    Request request;
    bool keep_alive = false;
    const bool complete = co_await read_request(request, keep_alive);
    read_deadline_.disarm();
    if (!complete) co_return false;
    request.peer = peer_;
    if (auto* tls = transport_->native_tls()) request.client_cert_cn = peer_common_name(tls);

    ActiveExchange exchange(*this, std::move(request), keep_alive);
    std::optional<Error> failure;
    try {
        co_await shared_->handler(exchange);
    } catch (...) {
        failure = current_error();
    }
    using State = ActiveExchange::State;
    if (failure && !gone_ && !stopping_)
        log::error("http.handler_failed", {{"method", exchange.request().method},
                                           {"target", exchange.request().target},
                                           {"code", failure->code},
                                           {"error", failure->message}});
    if (exchange.state() == State::waiting) {
        const std::string code = failure ? failure->code : "no_answer";
        if (!failure && !gone_ && !stopping_)
            log::error("http.handler_gave_no_answer", {{"target", exchange.request().target}});
        co_await exchange.respond(error_response(shared_->options, 500, code));
        failure.reset();
    }
    co_return co_await exchange.finish(failure.has_value());
}

asio::awaitable<bool> Connection::read_request(Request& request, bool& keep_alive) {
    RequestParser parser;
    parser.header_limit(static_cast<std::uint32_t>(shared_->options.header_limit_bytes));
    parser.body_limit(shared_->options.body_limit_bytes);
    read_deadline_.arm(shared_->options.idle_timeout, [this] { transport_->cancel(); });
    while (!parser.is_done()) {
        std::size_t used = 0;
        if (buffer_.size() > 0) {
            if (idle_) {
                idle_ = false;
                read_deadline_.arm(shared_->options.header_timeout, [this] { transport_->cancel(); });
            }
            const bool had_header = parser.is_header_done();
            ErrorCode error;
            used = parser.put(buffer_.data(), error);
            buffer_.consume(used);
            if (error && error != beast::http::make_error_code(beast::http::error::need_more)) {
                if (const int status = status_of(error)) co_await answer_error(status, error.message());
                co_return false;
            }
            if (parser.is_header_done() && !had_header) {
                parser.eager(true);
                if (!parser.is_done() && beast::iequals(parser.get()[beast::http::field::expect], "100-continue") &&
                    !co_await write("HTTP/1.1 100 Continue\r\n\r\n"))
                    co_return false;
            }
        }
        if (parser.is_done() || used > 0) continue;
        if (co_await fill()) {
            if (read_deadline_.expired() && !idle_ && !gone_) co_await answer_error(408, "the request took too long");
            co_return false;
        }
    }
    keep_alive = parser.keep_alive();
    request = take_request(parser);
    co_return true;
}

asio::awaitable<ErrorCode> Connection::fill() {
    if (gone_) co_return asio::error::eof;
    if (watching_) {
        co_await changed_.wait();
        co_return gone_ ? ErrorCode(asio::error::eof) : ErrorCode();
    }
    // Not into buffer_ directly: an idle connection should hold no more than its objects.
    const auto [error, size] = co_await transport_->read_some(buffer_.prepare(16 << 10));
    buffer_.commit(size);
    co_return error;
}

asio::awaitable<void> Connection::answer_error(int status, std::string detail) {
    auto response = error_response(shared_->options, status, detail);
    auto text = response_head(status, response.headers, {.length = response.body.size(), .close = true});
    if (!co_await write(text + response.body)) co_return;
    // The rest of the request is still under way; closing now would reset the connection under the answer.
    transport_->shutdown_send();
    read_deadline_.arm(std::chrono::seconds(1), [this] { transport_->close(); });
    std::array<char, 4096> rest;
    for (std::size_t total = 0; total < (1u << 20);) {
        const auto [error, size] = co_await transport_->read_some(asio::buffer(rest));
        if (error) break;
        total += size;
    }
}

asio::awaitable<bool> Connection::write(std::string data) {
    if (gone_) co_return false;
    write_deadline_.arm(shared_->options.idle_timeout, [this] { transport_->close(); });
    const auto error = co_await transport_->write(data);
    write_deadline_.disarm();
    if (error) gone_ = true;
    co_return !error;
}

asio::awaitable<void> Connection::wait_closed() {
    while (!gone_ && !stopping_) {
        if (!watching_) {
            if (buffer_.size() > shared_->options.header_limit_bytes) {
                transport_->close();
                co_return;
            }
            watching_ = true;
            asio::co_spawn(transport_->get_executor(), watch_once(shared_from_this()), asio::detached);
        }
        co_await changed_.wait();
    }
}

// A read that nobody cancels, so that a stream may stop waiting for its client without losing bytes.
asio::awaitable<void> Connection::watch_once(std::shared_ptr<Connection> self) {
    std::array<char, 2048> piece;
    const auto [error, size] = co_await self->transport_->read_some(asio::buffer(piece));
    self->watching_ = false;
    if (error) self->gone_ = true;
    asio::buffer_copy(self->buffer_.prepare(size), asio::buffer(piece, size));
    self->buffer_.commit(size);
    self->changed_.notify();
}

}  // namespace toygres::http
