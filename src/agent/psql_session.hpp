// One session of the image's psql that stays: for what is asked every second. A process and a connection for each
// question cost twenty times as much, and a connection slot that may not be free when it matters.
#pragma once
#include "agent/binaries.hpp"
#include "agent/options.hpp"
#include "base/asio.hpp"
#include "base/error.hpp"

#include <chrono>
#include <memory>
#include <string>

namespace toygres::agent {

class PsqlSession {
  public:
    PsqlSession(asio::any_io_executor executor, const Options& options, Binaries binaries);
    ~PsqlSession();

    // One question at a time: a query and its unaligned rows, on the server at the unix socket. A session that broke
    // since the last question is replaced. Errors: transient/"psql_failed" with psql's last words,
    // timeout/"command_timed_out"; after either the session is a new one.
    asio::awaitable<Result<std::string>> ask(std::string query, std::chrono::milliseconds limit);
    // The server is another one, or none.
    void close();

  private:
    struct Process;
    Result<void> open();
    asio::awaitable<Result<std::string>> exchange(std::shared_ptr<Process> process, std::string script,
                                                  std::chrono::milliseconds limit);

    asio::any_io_executor executor_;
    const Options& options_;
    Binaries binaries_;
    std::shared_ptr<Process> process_;
};

}  // namespace toygres::agent
