// The activities and the step of the workload. Each result names the run that it comes from, for the judge.
#pragma once
#include "workload.hpp"

namespace toygres::sim {

struct Job {
    int value;
    int millis;
    int failures;  // attempts that fail before one succeeds
};
BOOST_DESCRIBE_STRUCT(Job, (), (value, millis, failures))

struct Done {
    int value;
    int run;
};
BOOST_DESCRIBE_STRUCT(Done, (), (value, run))

// value + 1, after some time and some failures.
struct Add {
    static constexpr std::string_view name = "add";
    using Input = Job;
    using Output = Done;
    static asio::awaitable<Done> run(ActivityContext& ctx, Job in);
};

// Fails for good: conflict/"refused".
struct Refuse {
    static constexpr std::string_view name = "refuse";
    using Input = Job;
    using Output = Done;
    static asio::awaitable<Done> run(ActivityContext& ctx, Job in);
};

// Never ends by itself.
struct Hang {
    static constexpr std::string_view name = "hang";
    using Input = Job;
    using Output = Done;
    static asio::awaitable<Done> run(ActivityContext& ctx, Job in);
};

// A change in the database; conflict/"overdrawn" for a negative value.
struct Deposit {
    static constexpr std::string_view name = "deposit";
    using Input = Job;
    using Output = Number;
    static asio::awaitable<Number> run(StepContext& ctx, Job in);
};

// As often as it takes: outcomes must not depend on how often a process was killed or frozen.
inline RetryPolicy patient() {
    return {.attempts = 0, .initial_delay = milliseconds(50), .delay_max = milliseconds(500)};
}

}  // namespace toygres::sim
