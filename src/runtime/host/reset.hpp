// Going back: an orchestration that has ended begins again from a point of its past, in an execution of its own whose
// history is the kept part of the old one. As Temporal's reset, and DBOS's fork_workflow. Sans I/O.
#pragma once
#include "runtime/core/event.hpp"
#include "runtime/store/records.hpp"

#include <vector>

namespace toygres::runtime {

// `row` and `history` are of the execution that ended. Everything from event number `event` on is forgotten, and the
// arrival that led to it as well: what was asked for before is asked for again where its answer is among it. Signals
// that were recorded later are sent again. 1: from the beginning. The last event of one that was terminated: as if it
// had not been. Error: invalid/"no_such_event".
Result<Reset> plan_reset(const OrchestrationRow& row, const std::vector<Event>& history, std::int64_t event);

// The last failure of an activity, a step or a child that the code was told of: the position of the arrival.
// Error: conflict/"nothing_failed".
Result<std::int64_t> last_failure(const std::vector<Event>& history);

}  // namespace toygres::runtime
