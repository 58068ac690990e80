// The duty of a PID 1: reap orphans (backends of a postmaster that died, for one) and nobody's own children.
#pragma once
#include "base/asio.hpp"

namespace toygres::agent {

// Runs for as long as the process lives; does nothing when this process is not PID 1.
void start_reaper(asio::io_context& io);

}  // namespace toygres::agent
