// The transaction that accepts the deletion of an instance.
#pragma once
#include "api/accept.hpp"

#include <string>

namespace toygres::api {

// While a deletion runs, its operation is the answer to a further one. Errors: not_found/"instance_not_found" (deleted
// ones included), conflict/"idempotency_key_reused", "precondition_failed", transient.
asio::awaitable<Result<Accepted>> delete_instance(const Call& call, std::string name, Attempt attempt);

}  // namespace toygres::api
