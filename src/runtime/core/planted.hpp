// Bugs that the simulation (tests/sim) has to find. They exist in a build of its own only, where one at a time is
// switched on at run time; in the product every question below is a constant "no".
#pragma once
#include <boost/describe/enum.hpp>

#include <cstdint>

namespace toygres::runtime {

enum class Fault : std::uint8_t {
    none,
    effects_before_commit,           // effects are released when their turn is submitted
    fence_unchecked,                 // the store takes commits of former owners
    message_dropped,                 // an inbox row is consumed and not recorded
    message_taken_twice,             // what a reading of the inbox brings after its turn is taken again
    timer_lost_at_takeover,          // a new owner does not arm the timers of its predecessor
    state_kept_after_loss,           // a process that lost a shard keeps its live executions
    unknown_commit_repeated,         // a commit without an answer is made again under a new number
    unknown_commit_believed,         // a commit without an answer is taken for done
    lost_shards_result_accepted,     // an activity of a lost shard reports to the new owner's orchestration
    child_answers_any_execution,     // a child's completion goes to whichever execution runs
    dedup_forgotten_at_continue,     // continue_as_new does not carry the dedup keys of signals
    step_and_completion_apart,       // a step's effects and its completion are two commits
    activity_forgotten_at_takeover,  // a new owner does not run the open activities of its predecessor
    request_forgotten,               // an execution does not know the ids of the updates that it has done
};
BOOST_DESCRIBE_ENUM(Fault, none, effects_before_commit, fence_unchecked, message_dropped, message_taken_twice,
                    timer_lost_at_takeover, state_kept_after_loss, unknown_commit_repeated, unknown_commit_believed,
                    lost_shards_result_accepted, child_answers_any_execution, dedup_forgotten_at_continue,
                    step_and_completion_apart, activity_forgotten_at_takeover, request_forgotten)

#ifdef TOYGRES_PLANTED_FAULTS
inline Fault planted_fault = Fault::none;
inline bool planted(Fault fault) { return fault == planted_fault; }
#else
constexpr bool planted(Fault) { return false; }
#endif

}  // namespace toygres::runtime
