// How members come and go: the parts of advance() and judge() that are about it.
#pragma once
#include "ha/model.hpp"

#include <optional>
#include <string>

namespace toygres::ha {

// A new standby with a name of its own. Errors: conflict/"too_many_members", "asynchronous" for a synchronous one of an
// asynchronous instance, "bad_target" for a name that is not next_member().
Result<Record> join(Record record, const Event& event);
// The member shall go: nobody waits for it any more from now on (whoever does, ends that first).
Record leave(Record record, const std::string& member, std::optional<std::string> operation);
// A member that joins holds what it shall.
Record settle(Record record, const std::string& member);
// Out of the topology: its slot goes, its server stops, its objects follow. Error: conflict/"bad_target" for one that
// is not leaving, or is waited for.
Result<Record> release(Record record, const std::string& member);
// Nothing is left of it.
Record forget(Record record, const std::string& member);

// Of members that come and go, when nothing more urgent is to be done. `primary`: null while it does not serve as the
// record says.
std::optional<Event> judge_membership(const Record& record, const Observation& seen, const AgentStatus* primary);

}  // namespace toygres::ha
