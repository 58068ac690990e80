// A node of the test's own: logs from a table, and processes of the host for exec.
#pragma once
#include "base/event.hpp"
#include "base/process.hpp"
#include "localkube/node.hpp"

#include <deque>
#include <map>

namespace toygres::localkube::test {

class TestNode : public Node {
  public:
    std::map<std::string, std::vector<std::string>> lines;  // by container
    int columns = 0;                                        // of the terminal that was resized last

    asio::awaitable<Result<void>> logs(ObjectPtr, LogQuery query,
                                       std::function<asio::awaitable<bool>(std::string_view)> on_data) override;
    Result<std::unique_ptr<ExecSession>> exec(ObjectPtr pod, const std::string& container,
                                              std::vector<std::string> command, bool tty, bool with_stdin) override;

    explicit TestNode(asio::io_context& io) : io_(io) {}

  private:
    asio::io_context& io_;
};

}  // namespace toygres::localkube::test
