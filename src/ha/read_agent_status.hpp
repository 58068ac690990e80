// What an agent tells of its member, as text.
#pragma once
#include "ha/agent_status.hpp"

#include <string_view>

namespace toygres::ha {

// Unknown members are those of a later release. Errors: invalid/"invalid_json", invalid/"invalid_field" with the
// field's path.
Result<AgentStatus> read_agent_status(std::string_view text);

}  // namespace toygres::ha
