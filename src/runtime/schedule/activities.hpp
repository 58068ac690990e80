// What a schedule has done for it. All of them need the process's Client as a service, but for PlanRuns, which reads
// the time zones of the machine: what it finds is recorded, so that no replay depends on them.
#pragma once
#include "base/json.hpp"
#include "runtime/host/activity_context.hpp"

#include <optional>
#include <string>
#include <vector>

namespace toygres::runtime {

// Finds the next run, past those that are missed. Errors: as next_times().
struct PlanRuns {
    static constexpr std::string_view name = "schedule.plan";
    struct Input {
        std::string cron;
        std::string zone;
        Timestamp after;
        Timestamp missed_before;  // runs for a time before that are missed
    };
    struct Output {
        std::int64_t missed;  // 10,000 at most
        Timestamp settled;    // the last that is missed; `after` when none is
        std::optional<Timestamp> next;
    };
    static asio::awaitable<Output> run(ActivityContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(PlanRuns::Input, (), (cron, zone, after, missed_before))
BOOST_DESCRIBE_STRUCT(PlanRuns::Output, (), (missed, settled, next))

// Starts a run, unless it was started before.
struct StartRun {
    static constexpr std::string_view name = "schedule.start_run";
    struct Input {
        std::string id;
        std::string type;
        std::string schedule;
        Json input;
    };
    using Output = Nothing;
    static asio::awaitable<Output> run(ActivityContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(StartRun::Input, (), (id, type, schedule, input))

struct RunIds {
    std::vector<std::string> ids;
};
BOOST_DESCRIBE_STRUCT(RunIds, (), (ids))

// Those that have not ended.
struct LookAtRuns {
    static constexpr std::string_view name = "schedule.look_at_runs";
    using Input = RunIds;
    using Output = RunIds;
    static asio::awaitable<Output> run(ActivityContext& ctx, Input in);
};

// Returns when all have ended.
struct AwaitRuns {
    static constexpr std::string_view name = "schedule.await_runs";
    using Input = RunIds;
    using Output = Nothing;
    static asio::awaitable<Output> run(ActivityContext& ctx, Input in);
};

// Asks them to cancel; those that have ended are as they are.
struct CancelRuns {
    static constexpr std::string_view name = "schedule.cancel_runs";
    struct Input {
        std::vector<std::string> ids;
        std::string reason;
    };
    using Output = Nothing;
    static asio::awaitable<Output> run(ActivityContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(CancelRuns::Input, (), (ids, reason))

void register_schedule_activities(ActivityRegistry& registry);

}  // namespace toygres::runtime
