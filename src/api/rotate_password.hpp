// The transaction that accepts a new password of an instance's superuser.
#pragma once
#include "api/accept.hpp"

#include <string>

namespace toygres::api {

// The password is made here and sealed; it is shown by the connection alone. Errors: not_found/"instance_not_found",
// forbidden/"not_owner", conflict/"instance_not_running", "operation_in_progress".
asio::awaitable<Result<Accepted>> rotate_password(const Call& call, std::string name, std::string digest);

}  // namespace toygres::api
