// The transactions that accept a change of an instance's replication. Whether it can be granted is for the monitor to
// say, which looks at the members: the operation's end tells.
#pragma once
#include "api/accept.hpp"
#include "ha/model.hpp"

#include <chrono>
#include <string>

namespace toygres::api {

// Errors: not_found/"instance_not_found"; conflict/"instance_not_running", "request_pending", "operation_in_progress".
asio::awaitable<Result<Accepted>> change_replication(const Call& call, std::string name, ha::Request request,
                                                     std::string digest);
// The same, and conflict/"no_standby". `timeout`: for each standby to show the marker.
asio::awaitable<Result<Accepted>> verify_replication(const Call& call, std::string name,
                                                     std::chrono::milliseconds timeout, std::string digest);

}  // namespace toygres::api
