// PostgreSQL's programs that work for long and tell how they get on: pg_basebackup, pg_rewind, a server in single-user
// mode.
#pragma once
#include "base/asio.hpp"
#include "base/process.hpp"

#include <functional>
#include <string>

namespace toygres::agent {

using OnLine = std::function<void(const std::string& line)>;

// Runs it to its end; each line of its output and of its errors is given to `on_line`. Cancelling kills it, and so does
// the end of this process. Errors: internal/"spawn_failed"; internal/"tool_failed" with its last lines.
asio::awaitable<Result<void>> run_tool(Command command, OnLine on_line);

}  // namespace toygres::agent
