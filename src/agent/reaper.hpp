// The duty of a PID 1: reap orphans (backends of a postmaster that died, for one) and nobody's own children.
#pragma once
#include "base/asio.hpp"

namespace toygres::agent {

// Runs for as long as the process lives; does nothing when this process is not PID 1.
void start_reaper(asio::io_context& io);

// Ends what a postgres that died has left behind and what does not end by itself within `grace`: a process that is
// stopped does not notice the death, and holds the volume. Only PID 1 knows its orphans; for others this does nothing.
asio::awaitable<void> end_orphans(std::chrono::milliseconds grace);

}  // namespace toygres::agent
