// The postgres server as the agent's child: start, watch for readiness, reload, promote, stop.
#pragma once
#include "agent/data_directory.hpp"
#include "agent/decision.hpp"
#include "agent/options.hpp"
#include "base/process.hpp"
#include "base/time.hpp"

#include <functional>
#include <memory>
#include <optional>

namespace toygres::agent {

class ServerProcess {
  public:
    // `on_change` is called at every change of state().
    ServerProcess(asio::any_io_executor executor, const Options& options, const DataDirectory& data, Binaries binaries,
                  std::function<void()> on_change);

    // The configuration must be written. The child inherits `lock`. Error: internal/"spawn_failed".
    Result<void> start(ha::Role role, Descriptor lock);
    void reload();
    // A running replica's way out of recovery; promoting() until it is read-write. From now on it counts as a primary.
    // Error: internal/"file_unwritable".
    Result<void> promote();
    // The same when somebody else has told it to already.
    void note_promotion();
    // Fast; immediate after `limit`, and killed `kill_after` after that. A second call can only shorten the time.
    void stop(std::chrono::milliseconds limit, std::chrono::milliseconds kill_after);

    Server state() const { return state_; }
    ha::Role role() const { return role_; }
    bool promoting() const { return promoting_; }
    bool stop_asked() const { return stop_asked_; }
    // What kept it from ending in time when it was told to stop; empty: nothing did.
    const std::string& stop_trouble() const { return stop_trouble_; }
    std::optional<Timestamp> started_at() const { return started_at_; }
    // How the last server ended; taken by whoever asks.
    std::optional<ExitStatus> take_exit() { return std::exchange(exit_, std::nullopt); }

  private:
    asio::awaitable<void> supervise(std::shared_ptr<Child> child);
    asio::awaitable<void> await_readiness(std::shared_ptr<Child> child);
    asio::awaitable<void> await_promotion(std::shared_ptr<Child> child);
    asio::awaitable<void> escalate(std::shared_ptr<Child> child, std::chrono::milliseconds limit,
                                   std::chrono::milliseconds kill_after);
    void change(Server state);

    asio::any_io_executor executor_;
    const Options& options_;
    const DataDirectory& data_;
    Binaries binaries_;
    std::function<void()> on_change_;
    std::shared_ptr<Child> child_;
    Server state_ = Server::down;
    ha::Role role_ = ha::Role::none;
    bool promoting_ = false;
    bool stop_asked_ = false;
    std::string stop_trouble_;
    std::chrono::steady_clock::time_point stop_deadline_;
    std::optional<Timestamp> started_at_;
    std::optional<ExitStatus> exit_;
};

}  // namespace toygres::agent
