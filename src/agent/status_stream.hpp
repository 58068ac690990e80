// GET /status?watch: an agent tells in place of being asked. One JSON document a line, as /status answers it: at once,
// and again when it says anything else; an empty line each second in which it does not, as the sign of life. Both are
// said after a look, so that silence is the only thing that may mean anything.
#pragma once
#include "agent/agent.hpp"
#include "http/server.hpp"

namespace toygres::agent {

// Until the client is gone. Holds one line at a time: a client that does not read is waited for, and given up by the
// HTTP server.
asio::awaitable<void> stream_status(Agent& agent, http::Exchange& exchange);

// Of a status what is worth telling when it differs: without ages, and with sizes of disks and lags in coarse steps.
Json worth_telling(const ha::AgentStatus& status);

}  // namespace toygres::agent
