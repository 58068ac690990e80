// The frame of transactions that accept a slow call: repeats of an idempotency key, lost races, sessions that break.
#pragma once
#include "api/create_instance.hpp"

#include <functional>
#include <string>

namespace toygres::api {

// Tells a repeated request from another one under the same key. It is keyed by the caller's token, so that it tells
// nothing about a password in the body.
std::string request_digest(const Call& call, const Json& body);

// With an operation of its own and the call's key.
Attempt attempt_of(const Call& call, std::string digest);

// What an earlier call with the key was answered within the last day, or without a key what this attempt has done
// already. Error: conflict/"idempotency_key_reused".
asio::awaitable<Result<std::optional<Accepted>>> find_outcome(const Call& call, const Attempt& attempt);

// Runs `change` in a transaction until it commits or fails for good, and reads what came of it. `change` gives the id
// of the operation to answer with: its own, or one that runs already. A call whose key was answered within the last day
// gets that answer again, and so does one that was slower than another with its key. Errors: those of `change`;
// conflict/"idempotency_key_reused".
asio::awaitable<Result<Accepted>> accept(const Call& call, Attempt attempt,
                                         std::function<asio::awaitable<Result<std::string>>(pg::Connection&)> change);

// 202 with {"operation", "instance"} and the operation's Location.
http::Response accepted(const Accepted& outcome);

}  // namespace toygres::api
