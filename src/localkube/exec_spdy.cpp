// Commands over SPDY/3.1, as kubectl does before 1.29.
#include "base/event.hpp"
#include "base/log.hpp"
#include "localkube/api_status.hpp"
#include "localkube/exec_client.hpp"
#include "localkube/spdy_streams.hpp"

namespace toygres::localkube {
namespace {

constexpr const char* channel_protocol = "v4.channel.k8s.io";
constexpr std::chrono::seconds opening_max{30};
// For the client to take what was sent last; it leaves by itself, normally at once.
constexpr std::chrono::seconds leaving_max{5};

std::vector<SpdyStreams::Kind> wanted_streams(const ApiRequest& request) {
    using Kind = SpdyStreams::Kind;
    std::vector out{Kind::error};
    const bool tty = request.flag("tty");
    if (request.flag("stdin")) out.push_back(Kind::stdin_);
    if (request.flag("stdout")) out.push_back(Kind::stdout_);
    // A terminal has one output.
    if (request.flag("stderr") && !tty) out.push_back(Kind::stderr_);
    if (tty) out.push_back(Kind::resize);
    return out;
}

class SpdyExecClient : public ExecClient {
  public:
    explicit SpdyExecClient(std::vector<SpdyStreams::Kind> wanted) : streams_(std::move(wanted)) {}

    asio::awaitable<bool> open(http::Exchange& exchange) override {
        const auto executor = co_await asio::this_coro::executor;
        left_.emplace(executor);
        connection_ = co_await exchange.upgrade_to("SPDY/3.1", {{"X-Stream-Protocol-Version", channel_protocol}});
        if (!connection_) co_return false;
        using namespace asio::experimental::awaitable_operators;
        asio::steady_timer timer(executor, opening_max);
        co_await (until_complete() || timer.async_wait(use));
        co_return streams_.complete();
    }

    asio::awaitable<std::optional<ExecInput>> read() override {
        for (;;) {
            auto input = streams_.next();
            if (!co_await send_replies()) break;
            if (input) co_return input;
            if (!co_await receive()) break;
        }
        has_left_ = true;
        left_->notify();
        co_return std::nullopt;
    }

    asio::awaitable<bool> write(int stream, std::string data) override {
        auto bytes = streams_.output(stream, std::move(data));
        co_return bytes.empty() || co_await connection_->write(std::move(bytes));
    }

    asio::awaitable<void> finish(std::string status) override {
        const bool sent = co_await connection_->write(streams_.finish(std::move(status)));
        connection_->shutdown_send();
        if (!sent || has_left_) co_return;
        // Closing under bytes that nobody has read would take the last output away from the client.
        using namespace asio::experimental::awaitable_operators;
        asio::steady_timer timer(co_await asio::this_coro::executor, leaving_max);
        co_await (left_->wait() || timer.async_wait(use));
    }

  private:
    asio::awaitable<void> until_complete() {
        while (!streams_.complete()) {
            if (!co_await receive()) co_return;
            streams_.open();
            if (!co_await send_replies()) co_return;
        }
    }
    // false once the client left.
    asio::awaitable<bool> receive() {
        const auto bytes = co_await connection_->read();
        streams_.feed(bytes);
        co_return !bytes.empty();
    }
    asio::awaitable<bool> send_replies() {
        if (!streams_.violation().empty())
            log::warning("kube_api.exec_protocol_broken", {{"error", streams_.violation()}});
        auto replies = streams_.take_replies();
        const bool sent = replies.empty() || co_await connection_->write(std::move(replies));
        co_return sent && !streams_.over();
    }

    SpdyStreams streams_;
    std::unique_ptr<http::ByteStream> connection_;
    std::optional<Event> left_;
    bool has_left_ = false;
};

}  // namespace

std::unique_ptr<ExecClient> spdy_exec_client(const ApiRequest& request) {
    if (request.http.headers.get("X-Stream-Protocol-Version").find(channel_protocol) == std::string_view::npos)
        raise_bad_request("this cluster executes commands over SPDY/3.1 with v4.channel.k8s.io");
    return std::make_unique<SpdyExecClient>(wanted_streams(request));
}

}  // namespace toygres::localkube
