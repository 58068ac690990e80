// Waits for an operation and shows how it gets on; a server that restarts meanwhile is waited for, too.
#pragma once
#include "cli/session.hpp"

#include <chrono>
#include <string>

namespace toygres::cli {

// The operation once it has succeeded. Errors: internal/"operation_failed" with its reason, timeout/"wait_timed_out",
// those of the API; trouble on the way to the server only after a minute of it.
Result<Json> wait_for_operation(Session& session, const Json& operation, std::chrono::milliseconds timeout);

// What keeps a running operation waiting: "ImagePullBackOff: postgres: no such image"; empty when nothing does.
std::string trouble_of(const Json& operation);

// "create_instance" and "mydb": "creating mydb".
std::string activity_of(const Json& operation);

}  // namespace toygres::cli
