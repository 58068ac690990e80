// Whether users could log in to the primary: a log-in of the agent's own every few seconds, over the unix socket. A
// session that stands says nothing of it: it outlives a postmaster that hangs, and every other connection being taken.
#pragma once
#include "agent/options.hpp"
#include "base/asio.hpp"
#include "ha/agent_status.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace toygres::agent {

class LoginProbe {
  public:
    explicit LoginProbe(const Options& options) : options_(options) {}

    // true: it went another way than the last.
    asio::awaitable<bool> log_in();
    // The server is another one, or no primary.
    void forget() { last_.reset(); }
    // nullopt before the first log-in. `free_connections`: for users without privileges, if that is known. With none
    // left no user gets in, whatever a superuser may.
    std::optional<ha::LoginStatus> status(std::optional<std::int64_t> free_connections) const;

  private:
    struct Attempt {
        std::optional<std::string> error;
        std::chrono::steady_clock::time_point ended_at;
    };
    const Options& options_;
    std::optional<Attempt> last_;
};

}  // namespace toygres::agent
