// What the processes of the crash tests run: every kind of command, with ends that do not depend on time, and a trace
// of every effect in tables of its own.
#pragma once
#include "pg/pool.hpp"
#include "runtime/host/host.hpp"

#include <string>
#include <vector>

namespace toygres::crash {

using namespace toygres::runtime;

// Made by the test, beside the runtime's tables. `runs`: an activity that began, and whether its command was recorded
// then. `deposits`: what transactional steps did.
inline constexpr auto trace_tables =
    "CREATE TABLE runs (orchestration text, execution bigint, event bigint, recorded boolean);"
    "CREATE TABLE deposits (orchestration text, amount integer)";

struct Number {
    int value;
};
BOOST_DESCRIBE_STRUCT(Number, (), (value))

// Gives back its input plus one, after a few milliseconds.
struct Add {
    static constexpr std::string_view name = "add";
    using Input = Number;
    using Output = Number;
    static asio::awaitable<Number> run(ActivityContext& ctx, Number in);
};
// A step: notes the amount for its orchestration.
struct Deposit {
    static constexpr std::string_view name = "deposit";
    using Input = Number;
    using Output = Number;
    static asio::awaitable<Number> run(StepContext& ctx, Number in);
};

void add_workload(OrchestrationRegistry& orchestrations, ActivityRegistry& activities);

// Beside the types below: "killer" ends the process that runs it with SIGKILL, while there is a file of this name.
inline constexpr auto poison_variable = "TOYGRES_CRASH_POISON";

// How an orchestration of that type and input has to end, whatever happened meanwhile.
struct Expected {
    Status status;
    Json output;
    int deposits;  // rows
};
Expected expected(const std::string& type, int value);
inline const std::vector<std::string> types{"chain", "fan", "family", "collector", "sleeper", "cleaner"};
inline constexpr int signals_of_collector = 4;

}  // namespace toygres::crash
