// The frame of transactions that accept a slow call: repeats of an idempotency key, lost races, sessions that break.
#pragma once
#include "api/create_instance.hpp"

#include <functional>
#include <string>

namespace toygres::api {

// Tells a repeated request from another one under the same key. It is keyed by the caller's token, so that it tells
// nothing about a password in the body.
std::string request_digest(const Call& call, const Json& body);

struct Attempt {
    std::string operation;  // the id that the transaction gives to its operation
    std::optional<std::string> idempotency_key;
    std::string digest;
};

// Runs `change` in a transaction until it commits or fails for good, and reads what came of it. `change` gives the id
// of the operation to answer with: its own, or one that runs already. When another request with the same key was
// faster, its operation is the answer. Errors: those of `change`; conflict/"idempotency_key_reused".
asio::awaitable<Result<Accepted>> accept(const Call& call, Attempt attempt,
                                         std::function<asio::awaitable<Result<std::string>>(pg::Connection&)> change);

// 202 with {"operation", "instance"} and the operation's Location.
http::Response accepted(const Accepted& outcome);

}  // namespace toygres::api
