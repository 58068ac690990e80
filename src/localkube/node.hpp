// What the cluster's API needs of its one node: the logs of a container and a process run inside it.
#pragma once
#include "base/asio.hpp"
#include "localkube/object_store.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace toygres::localkube {

struct LogQuery {
    std::string container;
    bool previous = false;
    bool follow = false;
    bool timestamps = false;
    std::optional<int> tail_lines{};
    std::optional<int> since_seconds{};
    std::optional<std::size_t> limit_bytes{};
};

// A process inside a container, with its three streams.
class ExecSession {
  public:
    virtual ~ExecSession() = default;
    // Output as it arrives: stream 1 (stdout) or 2 (stderr); nullopt after the last.
    virtual asio::awaitable<std::optional<std::pair<int, std::string>>> read() = 0;
    virtual asio::awaitable<void> write_stdin(std::string data) = 0;
    virtual void close_stdin() = 0;
    virtual void resize(int columns, int rows) = 0;  // with a tty
    virtual int exit_code() const = 0;               // after read() gave nullopt
    virtual void kill() = 0;
};

class Node {
  public:
    virtual ~Node() = default;
    // Hands over whole lines until the log ends, or forever with `follow`; stop by returning false.
    // Errors: not_found/"container_not_found", invalid/"container_waiting" with the reason.
    virtual asio::awaitable<Result<void>> logs(ObjectPtr pod, LogQuery query,
                                               std::function<asio::awaitable<bool>(std::string_view)> on_data) = 0;
    // Errors: not_found/"container_not_found", invalid/"container_not_running".
    virtual Result<std::unique_ptr<ExecSession>> exec(ObjectPtr pod, const std::string& container,
                                                      std::vector<std::string> command, bool tty, bool with_stdin) = 0;
};

}  // namespace toygres::localkube
