// What a history is made of. A history is one sequence: *arrivals* (what happened to the orchestration) and, after
// each, the *commands* that its code answered with. Positions count from 1 and name a command for good.
#pragma once
#include "base/json.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace toygres::runtime {

enum class EventKind : std::uint8_t {
    // arrivals
    started,  // payload: input; options: {"carried": signals kept by continue_as_new, "seen": dedup keys, "cancel": …,
              // "origins": see Origin}
    activity_completed,  // of, payload: output; options: {"attempts": failed attempts before it}
    activity_failed,     // of, payload: error; options: {"attempts": …}
    step_completed,
    step_failed,
    timer_fired,       // of
    signal_received,   // name, payload; target: the sender's dedup key
    update_received,   // name, payload: input; target: the id of the request
    child_completed,   // of, payload: output
    child_failed,      // of, payload: error
    detach_failed,     // of, payload: error (an id conflict)
    detach_accepted,   // of
    cancel_requested,  // payload: reason
    // commands
    activity_scheduled,  // name, payload: input; options: retry policy
    step_scheduled,      // name, payload: input
    timer_created,       // at: when it fires
    wait_started,        // name of the signal
    child_scheduled,     // name, target: id, payload: input; options: {"close": …}
    detach_scheduled,    // name, target: id, payload: input; options: {"conflict": …}
    cancelled,           // of: a command whose result nobody waits for any more
    child_cancelled,     // of: the child is asked to cancel and still waited for
    status_set,          // payload
    completed,           // payload: output
    failed,              // payload: error
    continued_as_new,    // payload: the next input
};
BOOST_DESCRIBE_ENUM(EventKind, started, activity_completed, activity_failed, step_completed, step_failed, timer_fired,
                    signal_received, update_received, child_completed, child_failed, detach_failed, detach_accepted,
                    cancel_requested, activity_scheduled, step_scheduled, timer_created, wait_started, child_scheduled,
                    detach_scheduled, cancelled, child_cancelled, status_set, completed, failed, continued_as_new)

constexpr bool is_arrival(EventKind kind) { return kind <= EventKind::cancel_requested; }
constexpr bool is_terminal(EventKind kind) { return kind >= EventKind::completed; }

struct Event {
    EventKind kind;
    std::int64_t of = 0;   // the position of the command that this answers or cancels; 0: none
    std::string name{};    // of the activity, step, signal or orchestration
    std::string target{};  // id of a child or detached orchestration; dedup key of a signal
    Json payload{};        // input, output, error or signal
    Json options{};        // policies, attempts, what is carried
    Timestamp at{};        // arrivals: when it was recorded, and so now() for the code that follows; timers: when due

    bool operator==(const Event&) const = default;
};

// A part of the history that was taken over from another execution when the orchestration was reset: what the code
// drew and named there follows from that execution's number, up to `until` (exclusive).
struct Origin {
    std::int64_t execution;
    std::int64_t until;
    bool operator==(const Origin&) const = default;
};
BOOST_DESCRIBE_STRUCT(Origin, (), (execution, until))
// Notes in the first event of a history that what lies before `until` comes from `execution`, as far as that had not
// taken it over itself.
void add_origin(Event& started, std::int64_t execution, std::int64_t until);
// In order; none: all of it is the execution's own. Error: invalid.
std::vector<Origin> origins_of(const Event& started);

// The most that an input, an output, an answer, a signal or a status may hold.
inline constexpr std::size_t payload_bytes_max = 1 << 20;
// About as much as its text takes.
std::size_t payload_bytes(const Json& payload);
// invalid/"payload_too_large".
Error payload_too_large();
// Raises that when it is.
void check_payload(const Json& payload);

// The stored form, one object per event, readable in SQL. Empty members are left out.
Json to_json_value(const Event& event);
// Error: invalid/"bad_history" with what is wrong; unknown keys are ignored.
Result<Event> event_from_json(const Json& value);

// The stored form of a turn: a JSON array. `append_events` writes it straight to text.
std::string events_to_text(const std::vector<Event>& events, std::size_t first);
// The message of an error says which event, when `first` is the position of the first one.
Result<std::vector<Event>> events_from_text(std::string_view text, std::int64_t first = 1);

// The first way in which a command of the code differs from the recorded one, in words; empty when they match.
// Times and policies may change between releases, kind, name, target and payload may not.
std::string difference(const Event& recorded, const Event& emitted);
// "activity_scheduled kube.apply_member" for messages.
std::string describe(const Event& event);

}  // namespace toygres::runtime
