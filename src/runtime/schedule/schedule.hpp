// Starts orchestrations by a cron line. One for each schedule, under the id "schedule-NAME"; it ends when the schedule
// is removed. Each run is an orchestration of its own, tagged with the schedule, and goes on when the schedule ends.
// See docs/decisions/0022.
#pragma once
#include "runtime/core/orchestration_context.hpp"
#include "runtime/schedule/spec.hpp"

namespace toygres::runtime {

struct Schedule {
    static constexpr std::string_view name = "schedule";
    static constexpr int version = 1;
    struct Input {
        std::string name;
        ScheduleSpec spec;
        ScheduleProgress progress;
    };
    using Output = Nothing;
    static Task<Output> run(OrchestrationContext& ctx, Input in);

    // Of one that begins at `now`.
    static ScheduleProgress beginning(Timestamp now, bool paused, std::string note);
};
BOOST_DESCRIBE_STRUCT(Schedule::Input, (), (name, spec, progress))

}  // namespace toygres::runtime
