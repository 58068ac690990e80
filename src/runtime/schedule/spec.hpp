// A schedule as it is stored: what it is to do, how far it has come, and what it can be told.
#pragma once
#include "base/json.hpp"

#include <optional>
#include <string>
#include <vector>

namespace toygres::runtime {

// What becomes of a run that comes due while one before it is under way.
enum class Overlap : std::uint8_t {
    skip,           // it is left out
    buffer_one,     // it begins when that one has ended; further ones are left out
    allow,          // it begins
    cancel_running  // it begins when that one, asked to cancel, has ended; of several the last
};
BOOST_DESCRIBE_ENUM(Overlap, skip, buffer_one, allow, cancel_running)

struct ScheduleSpec {
    std::string cron;
    std::string zone;
    std::string type;  // of the orchestration that each run is
    Json input;        // of each run
    Overlap overlap;
    std::chrono::milliseconds catch_up;  // a run that is late by more is missed
    std::chrono::milliseconds jitter;    // each run is late by a random part of it
};
BOOST_DESCRIBE_STRUCT(ScheduleSpec, (), (cron, zone, type, input, overlap, catch_up, jitter))

struct ScheduleRun {
    std::string id;  // of its orchestration
    Timestamp at;    // that it was for
    Timestamp started_at;
    std::optional<std::string> error;  // why it could not be started
};
BOOST_DESCRIBE_STRUCT(ScheduleRun, (), (id, at, started_at, error))

// The custom status of a schedule.
struct ScheduleProgress {
    bool paused;
    std::string note;
    Timestamp settled;                      // what was to be until then is dealt with
    std::optional<Timestamp> next;          // that a run is for; none while paused
    std::optional<Timestamp> due;           // when it begins: `next` and its jitter
    std::optional<Timestamp> buffered;      // waits for the end of those under way
    std::optional<Timestamp> last_trigger;  // no two are for the same time
    std::vector<std::string> under_way;     // as far as known
    std::vector<ScheduleRun> runs;          // the newest first, a few
    std::int64_t started;
    std::int64_t skipped;                // left out for one that was under way
    std::int64_t missed;                 // left out for being late
    std::optional<std::string> problem;  // why it cannot tell what is next
};
BOOST_DESCRIBE_STRUCT(ScheduleProgress, (),
                      (paused, note, settled, next, due, buffered, last_trigger, under_way, runs, started, skipped,
                       missed, problem))

enum class ScheduleVerb : std::uint8_t { pause, resume, trigger, change, remove };
BOOST_DESCRIBE_ENUM(ScheduleVerb, pause, resume, trigger, change, remove)

// The payload of the signal `schedule_order`.
struct ScheduleOrder {
    ScheduleVerb verb;
    std::optional<std::string> note;   // pause, resume and change
    std::optional<ScheduleSpec> spec;  // change
};
BOOST_DESCRIBE_STRUCT(ScheduleOrder, (), (verb, note, spec))

inline constexpr auto schedule_order = "order";
// On each run and on the schedule itself; its value is the schedule's name.
inline constexpr auto schedule_tag = "schedule";

// "schedule-NAME"
std::string schedule_id(const std::string& name);
// "NAME-2026-11-22T03:00:00Z", and with milliseconds when there are some.
std::string run_id(const std::string& name, Timestamp at);

// Error: invalid/"invalid_schedule", invalid/"unknown_zone"; a line that never comes due is one, too.
Result<void> check_times(const std::string& cron, const std::string& zone);
// The next so many times after `t`; fewer when there are no more. Errors: as check_times().
Result<std::vector<Timestamp>> next_times(const std::string& cron, const std::string& zone, Timestamp t, int count);

}  // namespace toygres::runtime
