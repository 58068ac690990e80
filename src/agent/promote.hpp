// `toygres-agent promote`: the operator's own failover of a member without a control plane.
#pragma once
#include "agent/options.hpp"
#include "base/asio.hpp"
#include "base/error.hpp"

#include <chrono>

namespace toygres::agent {

// Asks the agent of this container to promote its replica, and returns when that accepts writes. The primary before it
// is not asked and not told. Errors: conflict/"not_a_replica" with what it is instead; timeout/"not_promoted";
// internal/"file_unwritable"; those of asking the agent.
asio::awaitable<Result<void>> promote_member(Options options, std::chrono::milliseconds limit);

}  // namespace toygres::agent
