// One run of a container, seen from the cluster: starts its shim, or finds one that still runs from before, and tells
// when it is up and when it ended.
#pragma once
#include "base/asio.hpp"
#include "base/error.hpp"
#include "localkube/container_shim.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace toygres::localkube {

class ContainerProcess : public std::enable_shared_from_this<ContainerProcess> {
  public:
    // `on_change` is called from the io_context when the process came up or ended; never from within a call here.
    // Errors: internal/"file_unwritable", internal/"no_process".
    static Result<std::shared_ptr<ContainerProcess>> start(asio::io_context& io,
                                                           const std::vector<std::string>& shim_command,
                                                           std::string directory, const ShimSpec& spec,
                                                           std::function<void()> on_change);
    static std::shared_ptr<ContainerProcess> adopt(asio::io_context& io, std::string directory,
                                                   std::function<void()> on_change);

    // Set once the sandbox's first process exists.
    const std::optional<ShimState>& state() const { return state_; }
    // Set once it ended. A shim that vanished without a word gives 137 and says so.
    const std::optional<ShimExit>& exit() const { return exit_; }
    // Signals the sandbox's first process; kept until there is one.
    void signal(int signal);
    // Stops watching; the process lives on.
    void forget();

    ContainerProcess(asio::io_context& io, std::string directory, std::function<void()> on_change);

  private:
    void watch();
    void on_ready();
    void on_gone();
    void notify();

    asio::io_context& io_;
    std::string directory_;
    std::function<void()> on_change_;
    asio::posix::stream_descriptor ready_;
    asio::posix::stream_descriptor shim_;
    asio::steady_timer retry_;
    std::optional<ShimState> state_;
    std::optional<ShimExit> exit_;
    int pending_signal_ = 0;
};

}  // namespace toygres::localkube
