// The members of an instance as they are now: on record, and by what their agents say.
#pragma once
#include "base/json.hpp"
#include "ha/model.hpp"

#include <map>
#include <optional>
#include <string>

namespace toygres::api {

// Of those that answered.
using AgentStatuses = std::map<std::string, ha::AgentStatus>;

// A list of {"name", "role", "mode", "standing", "synchronous", "fenced", "zone", "max_lag_bytes", "state",
// "streaming", "lag_bytes", "lag_ms", "reason", "clone"}; a member whose agent does not answer has the state
// "unreachable" and no lag.
Json replicas_view(const ha::Record& record, const AgentStatuses& statuses);

}  // namespace toygres::api
