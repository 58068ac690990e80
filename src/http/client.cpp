#include "http/client.hpp"

#include "http/connection_pool.hpp"
#include "http/deadline.hpp"

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <array>

namespace toygres::http {

namespace beast = boost::beast;

namespace {

using ResponseParser = beast::http::response_parser<beast::http::string_body>;

bool idempotent(const std::string& method) {
    return method == "GET" || method == "PUT" || method == "DELETE" || method == "HEAD";
}

constexpr std::size_t room_max_bytes = 16 << 10;

bool successful(int status) { return status >= 200 && status < 300; }

std::string request_text(const Request& request, const Origin& origin) {
    std::string out = request.method + " " + origin.path_prefix + request.target + " HTTP/1.1\r\n";
    if (!request.headers.has("Host")) out += "Host: " + origin.host_field + "\r\n";
    for (const auto& [name, value] : request.headers) out += name + ": " + value + "\r\n";
    if (!request.body.empty() || request.method == "POST" || request.method == "PUT" || request.method == "PATCH")
        out += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
    return out + "\r\n" + request.body;
}

// A line break in the target or a field would start a second request.
void require_one_line(const Request& request) {
    const auto check = [](std::string_view text) {
        if (text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos)
            raise(ErrorKind::invalid, "invalid_request", "a line break in the head of a request");
    };
    check(request.target);
    for (const auto& [name, value] : request.headers) {
        check(name);
        check(value);
    }
}

Error lost(const std::string& why) {
    return {ErrorKind::transient, "connection_lost", "the connection was lost: " + why};
}

Error timed_out() { return {ErrorKind::timeout, "request_timed_out", "the server did not answer in time"}; }

Error io_error(const ErrorCode& error) {
    // With TLS 1.3 the server's refusal of our certificate shows at the first read only.
    if (is_tls_refusal(error)) return {ErrorKind::invalid, "tls_untrusted", "the server ended TLS: " + error.message()};
    return lost(error.message());
}

Response take_response(ResponseParser& parser) {
    auto message = parser.release();
    Response out{static_cast<int>(message.result_int()), {}, std::move(message.body())};
    for (const auto& field : message) {
        const std::string_view name(field.name_string().data(), field.name_string().size());
        std::string value(field.value());
        if (out.headers.has(name)) value = std::string(out.headers.get(name)) + ", " + value;
        out.headers.set(name, std::move(value));
    }
    return out;
}

// Reads one response from a connection.
class ResponseReader {
  public:
    ResponseReader(Transport& transport, bool head_only, std::size_t body_limit_bytes)
        : transport_(transport), head_only_(head_only), body_limit_bytes_(body_limit_bytes) {
        next();
    }

    // Reads on until `done`; a final status comes after any 1xx.
    asio::awaitable<Result<void>> read(std::function<bool(ResponseParser&)> done) {
        while (!done(*parser_)) {
            std::size_t used = 0;
            if (begin_ < end_) {
                ErrorCode error;
                used = parser_->put(asio::const_buffer(piece_.data() + begin_, end_ - begin_), error);
                begin_ += used;
                if (error == beast::http::make_error_code(beast::http::error::body_limit))
                    co_return std::unexpected(
                        Error{ErrorKind::invalid, "response_too_large", "the answer is larger than this client takes"});
                if (error && error != beast::http::make_error_code(beast::http::error::need_more))
                    co_return std::unexpected(lost(error.message()));
                if (parser_->is_done() && parser_->get().result_int() / 100 == 1) next();
            }
            if (used > 0 || done(*parser_)) continue;
            if (auto filled = co_await fill(); !filled) co_return std::unexpected(filled.error());
        }
        co_return Result<void>();
    }

    ResponseParser& parser() { return *parser_; }
    bool got_anything() const { return got_anything_; }
    // May the connection serve another request?
    bool reusable() { return parser_->is_done() && parser_->keep_alive() && begin_ == end_; }

  private:
    void next() {
        parser_.emplace();
        parser_->eager(true);
        parser_->skip(head_only_);
        parser_->header_limit(64 << 10);
        parser_->body_limit(body_limit_bytes_);
    }

    asio::awaitable<Result<void>> fill() {
        // Beast wants the whole head in one piece: what it has not taken stays in front.
        piece_.erase(0, begin_);
        const auto kept = end_ - begin_;
        begin_ = 0;
        end_ = kept;
        piece_.resize(kept + room_);
        const auto [error, size] = co_await transport_.read_some(asio::buffer(piece_.data() + kept, room_));
        end_ += size;
        // A stream that says little for hours should hold little.
        if (size == room_) room_ = std::min(room_ * 2, room_max_bytes);
        got_anything_ = got_anything_ || size > 0;
        if (!error) co_return Result<void>();
        if (parser_->is_header_done() && !parser_->is_done()) {
            ErrorCode ended;
            parser_->put_eof(ended);
            if (!ended && error == asio::error::eof) co_return Result<void>();
        }
        co_return std::unexpected(io_error(error));
    }

    Transport& transport_;
    bool head_only_;
    std::size_t body_limit_bytes_;
    std::optional<ResponseParser> parser_;
    std::string piece_;
    std::size_t room_ = 2 << 10;  // for what is read at once
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    bool got_anything_ = false;
};

}  // namespace

class Client::Impl {
  public:
    Impl(asio::any_io_executor executor, const ClientOptions& options)
        : pool(std::make_shared<ConnectionPool>(std::move(executor), options)),
          body_limit_bytes(options.body_limit_bytes) {}

    // How a body is taken: whole, or piece by piece.
    struct Taking {
        std::chrono::milliseconds timeout;
        bool timeout_is_silence;  // the time starts anew with each piece
        std::function<bool(std::string_view)> on_data;
    };

    static asio::awaitable<Result<Response>> run(std::shared_ptr<Impl> self, Request request, Taking taking) {
        require_one_line(request);
        std::shared_ptr<Transport> transport;
        Event turn(self->pool->executor());
        Deadline deadline(self->pool->executor());
        const auto arm = [&] {
            deadline.arm(taking.timeout, [&] {
                if (transport) transport->close();
                turn.notify();
            });
        };
        arm();
        for (bool again = false;; again = true) {
            const auto on_open = [&](std::shared_ptr<Transport> opened) {
                transport = std::move(opened);
                if (deadline.expired()) transport->close();
            };
            auto lease = co_await self->pool->acquire(again, {on_open, [&] { return deadline.expired(); }, turn});
            if (deadline.expired()) co_return std::unexpected(timed_out());
            if (!lease) co_return std::unexpected(lease.error());
            const bool stream = taking.on_data != nullptr;
            ResponseReader reader(lease->transport(), request.method == "HEAD",
                                  stream ? std::numeric_limits<std::size_t>::max() : self->body_limit_bytes);
            const auto sent = co_await lease->transport().write(request_text(request, self->pool->origin()));
            Result<Response> out = std::unexpected(sent ? io_error(sent) : Error{});
            if (!sent) {
                if (taking.timeout_is_silence)
                    out = co_await take_pieces(reader, taking.on_data, arm, self->body_limit_bytes);
                else
                    out = co_await take_whole(reader);
            }
            if (out) {
                if (reader.reusable()) lease->keep();
                co_return out;
            }
            if (deadline.expired()) co_return std::unexpected(timed_out());
            const bool retry = lease->reused() && !reader.got_anything() && idempotent(request.method) &&
                               out.error().code == "connection_lost";
            if (!retry) co_return out;
        }
    }

    std::shared_ptr<ConnectionPool> pool;
    std::size_t body_limit_bytes;

  private:
    static asio::awaitable<Result<Response>> take_whole(ResponseReader& reader) {
        auto done = co_await reader.read([](ResponseParser& p) { return p.is_done(); });
        if (!done) co_return std::unexpected(done.error());
        co_return take_response(reader.parser());
    }

    static asio::awaitable<Result<Response>> take_pieces(ResponseReader& reader,
                                                         const std::function<bool(std::string_view)>& on_data,
                                                         std::function<void()> on_progress, std::size_t limit_bytes) {
        auto head = co_await reader.read([](ResponseParser& p) { return p.is_header_done(); });
        if (!head) co_return std::unexpected(head.error());
        const bool good = successful(static_cast<int>(reader.parser().get().result_int()));
        while (true) {
            auto& body = reader.parser().get().body();
            if (good && !body.empty()) {
                on_progress();
                if (!on_data(body)) break;
                body.clear();
            }
            if (body.size() > limit_bytes)
                co_return std::unexpected(Error{ErrorKind::invalid, "response_too_large", "the answer is too large"});
            if (reader.parser().is_done()) break;
            const auto have = body.size();
            auto more =
                co_await reader.read([have](ResponseParser& p) { return p.is_done() || p.get().body().size() > have; });
            if (!more) co_return std::unexpected(more.error());
        }
        auto out = take_response(reader.parser());
        if (good) out.body.clear();
        co_return out;
    }
};

Client::Client(asio::any_io_executor executor, ClientOptions options)
    : impl_(std::make_shared<Impl>(std::move(executor), options)) {}
Client::~Client() = default;

asio::awaitable<Result<Response>> Client::send(Request request, std::chrono::milliseconds timeout) {
    return Impl::run(impl_, std::move(request), {timeout, false, nullptr});
}

asio::awaitable<Result<Response>> Client::stream(Request request, std::chrono::milliseconds idle_timeout,
                                                 std::function<bool(std::string_view)> on_data) {
    return Impl::run(impl_, std::move(request), {idle_timeout, true, std::move(on_data)});
}

}  // namespace toygres::http
