// Look-ups in what is seen of the members. Inside src/ha only.
#pragma once
#include "ha/model.hpp"

#include <string>

namespace toygres::ha {

// Null for one that is not seen at all.
const MemberView* view_of(const Observation& seen, const std::string& member);
// It obeys the record's topology, or a later one.
bool obeys(const AgentStatus& status, const Record& record);
// The status of a member that serves in that role and says so itself; null otherwise.
const AgentStatus* serving(const Observation& seen, const std::string& member, Role role);
// The stream of a member in that epoch; null while there is none.
const PeerStatus* stream_of(const AgentStatus& primary, const std::string& member, std::int64_t epoch);
// 0/0 for what is not known.
Lsn lsn_of(const std::optional<std::string>& text);

}  // namespace toygres::ha
