// Commands over WebSockets, as kubectl does since 1.29: one channel per stream, its number in front of each message.
#include "localkube/api_status.hpp"
#include "localkube/exec_client.hpp"

namespace toygres::localkube {
namespace {

enum Channel : char { stdin_channel = 0, stdout_channel = 1, error_channel = 3, resize_channel = 4 };
constexpr char close_channel = static_cast<char>(255);  // v5 only

std::string channel_message(char channel, std::string_view data) {
    std::string out(1, channel);
    return out += data;
}

std::optional<ExecInput> input_of(std::string message) {
    if (message.empty()) return std::nullopt;
    const char channel = message.front();
    message.erase(0, 1);
    if (channel == stdin_channel && !message.empty()) return ExecStdin{std::move(message)};
    if (channel == resize_channel) return parse_resize(message);
    if (channel == close_channel && message.size() == 1 && message[0] == stdin_channel) return ExecStdinEnd{};
    return std::nullopt;
}

class WebSocketExecClient : public ExecClient {
  public:
    explicit WebSocketExecClient(std::string protocol) : protocol_(std::move(protocol)) {}

    asio::awaitable<bool> open(http::Exchange& exchange) override {
        socket_ = co_await exchange.upgrade(protocol_);
        // Clients wait for a first message as the sign that the streams are there.
        co_return socket_&& co_await write(stdout_channel, "");
    }

    asio::awaitable<std::optional<ExecInput>> read() override {
        while (auto message = co_await socket_->read())
            if (auto input = input_of(std::move(message->data))) co_return input;
        co_return std::nullopt;
    }

    // Streams and channels have the same numbers.
    asio::awaitable<bool> write(int stream, std::string data) override {
        co_return co_await socket_->write({true, channel_message(static_cast<char>(stream), data)});
    }

    asio::awaitable<void> finish(std::string status) override {
        co_await socket_->write({true, channel_message(error_channel, status)});
        co_await socket_->close("");
    }

  private:
    std::string protocol_;
    std::unique_ptr<http::WebSocket> socket_;
};

}  // namespace

std::unique_ptr<ExecClient> websocket_exec_client(const ApiRequest& request) {
    const auto offered = request.http.headers.get("Sec-WebSocket-Protocol");
    for (const char* protocol : {"v5.channel.k8s.io", "v4.channel.k8s.io"})
        if (offered.find(protocol) != std::string_view::npos) return std::make_unique<WebSocketExecClient>(protocol);
    raise_bad_request(
        "this cluster executes commands over WebSockets with v5.channel.k8s.io or v4.channel.k8s.io, or over SPDY/3.1 "
        "with the latter");
}

}  // namespace toygres::localkube
