// The far end of a command in a container: who types its input and reads its output, whatever carries them.
#pragma once
#include "http/server.hpp"
#include "localkube/api_request.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace toygres::localkube {

struct ExecStdin {
    std::string data;
};
struct ExecStdinEnd {};
// Of the terminal; both positive.
struct ExecResize {
    int columns;
    int rows;
};
using ExecInput = std::variant<ExecStdin, ExecStdinEnd, ExecResize>;

class ExecClient {
  public:
    virtual ~ExecClient() = default;
    // Accepts the upgrade and waits for the streams; false when the client left meanwhile. Comes first.
    virtual asio::awaitable<bool> open(http::Exchange& exchange) = 0;
    // nullopt once the client left or broke the protocol.
    virtual asio::awaitable<std::optional<ExecInput>> read() = 0;
    // To stream 1 (stdout) or 2 (stderr); false once the client left. May be called during a read().
    virtual asio::awaitable<bool> write(int stream, std::string data) = 0;
    // Says how the command ended (a Status) and waits, not for long, until the client leaves. Nothing is written after
    // it; a read() must go on meanwhile.
    virtual asio::awaitable<void> finish(std::string status) = 0;
};

// By what the request asks for: a WebSocket of v5.channel.k8s.io or v4.channel.k8s.io, or SPDY/3.1 with the latter.
// Throws 400 for anything else.
std::unique_ptr<ExecClient> make_exec_client(const ApiRequest& request);

std::unique_ptr<ExecClient> websocket_exec_client(const ApiRequest& request);
std::unique_ptr<ExecClient> spdy_exec_client(const ApiRequest& request);

// A message of the resize channel, {"Width": 80, "Height": 24}; nullopt when it is none.
std::optional<ExecResize> parse_resize(std::string_view message);

}  // namespace toygres::localkube
