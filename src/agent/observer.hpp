// What postgres says of itself, for /status.
#pragma once
#include "agent/binaries.hpp"
#include "agent/psql_session.hpp"
#include "base/event.hpp"
#include "ha/agent_status.hpp"

#include <chrono>
#include <optional>

namespace toygres::agent {

class Observer {
  public:
    Observer(asio::any_io_executor executor, const Options& options, Binaries binaries);

    // Fills what a running server tells (LSNs, timeline, peers, slots, version) by one query; an answer no older than
    // `max_age` serves again.
    asio::awaitable<void> observe_running(ha::AgentStatus& status, std::chrono::milliseconds max_age);
    // Connections that were left for users without privileges when a primary last answered; below zero: superusers have
    // taken more than theirs.
    std::optional<std::int64_t> free_connections() const;
    // Fills what the control file tells of a server that is down.
    asio::awaitable<void> observe_stopped(ha::AgentStatus& status);
    // Sizes of the volume.
    void observe_disk(ha::AgentStatus& status) const;
    // The server has changed: ask anew.
    void forget();

  private:
    asio::awaitable<void> refresh();

    const Options& options_;
    Binaries binaries_;
    PsqlSession session_;
    Event refreshed_;
    bool refreshing_ = false;
    int forgotten_ = 0;
    std::optional<Json> answer_;
    std::string trouble_;
    std::chrono::steady_clock::time_point answered_at_;
};

}  // namespace toygres::agent
