// What the cases of the suite are made of: orchestrations as plain functions, activities and steps that every world
// knows, deployments, and what was seen of them.
#pragma once
#include "world.hpp"

#include <algorithm>

namespace toygres::test {

using Ctx = OrchestrationContext;

// A name as a type, for what takes an activity, a step or an orchestration: JSON in, JSON out.
template <std::size_t N> struct Text {
    char text[N]{};
    consteval Text(const char (&from)[N]) { std::copy_n(from, N, text); }
};
template <Text T> struct Named {
    static constexpr std::string_view name{T.text, sizeof(T.text) - 1};
    using Input = Json;
    using Output = Json;
};

using Echo = Named<"echo">;    // gives back its input
using Fail = Named<"fail">;    // fails with its input, an error
using Flaky = Named<"flaky">;  // fails with transient/"not_yet" in as many attempts as its input says; then the attempt
using Hold = Named<"hold">;    // gives back its input once the gate is open
using Hang = Named<"hang">;    // until it is stopped
using Watch = Named<"watch">;  // as Hang, and takes no place among those that run at once
using Toil = Named<"toil">;    // as Hang, and one of the heavy ones
using Add = Named<"add">;      // a step: adds its input to the balance of its orchestration, which it gives back
using Refuse = Named<"refuse">;  // a step: adds its input, then refuses with conflict/"refused"

// What activities did and are told to do, since the world began.
struct Lab {
    bool on_sql = false;                 // steps have a connection
    bool open = false;                   // the gate of `hold`
    std::map<std::string, int> runs;     // attempts, by activity
    std::map<std::string, int> stopped;  // attempts that were cancelled, by activity
    std::map<std::string, int> balance;  // of `add`, as far as committed
    std::vector<Json> seen;              // whatever a case notes
    std::function<void(std::int64_t key, std::vector<std::string>&)> alter_history;  // of memory, as it is read
    std::function<void(OrchestrationRow&)> alter_row;
};
Lab& lab();

using Code = Task<Json> (*)(Ctx&, Json);
using Act = asio::awaitable<Json> (*)(ActivityContext&, Json);
using StepCode = asio::awaitable<Json> (*)(StepContext&, Json);

void define(World& world, const std::string& name, Code code, int version = 1);
void activity(World& world, const std::string& name, Act code);
void step(World& world, const std::string& name, StepCode code);

// The test on memory and PostgreSQL, each as it is and with every turn replayed, with the activities above at hand.
void everywhere(const std::function<void(World&)>& test);
void on_memory(const std::function<void(World&)>& test);
void on_memory_once(bool evict_every_turn, const std::function<void(World&)>& test);
void on_postgres(const std::function<void(World&)>& test);

void begin(World& world, const std::string& id, const std::string& name, Json input = Json());
OrchestrationRow run(World& world, const std::string& id, const std::string& name, Json input = Json());
OrchestrationRow get(World& world, const std::string& id);
// Lets the world run for a while.
void pass(World& world, std::chrono::milliseconds time);
// The row once it has that status.
OrchestrationRow reach(World& world, const std::string& id, Status status);
// "code: message" once it is parked; fails when it is parked again and again.
std::string parked(World& world, const std::string& id);
int times_parked();
// What `add` committed for the orchestration: by its own table on PostgreSQL.
int balance(World& world, const std::string& id);
// Events of one kind in the current execution.
int recorded(World& world, const std::string& id, EventKind kind);

// A rolling restart: every process that runs leaves, a new one comes.
Process& restart(World& world);
// kill -9 of every process that runs, and a new one.
Process& crash(World& world);
// A deployment of this code alone: every process leaves, and one that knows it comes.
Process& deploy(World& world, const std::string& name, Code code, int version = 1);

// One row of history, as it is stored.
struct TurnRow {
    std::int64_t first;
    Json events;
};
// Changes the recorded turns of an orchestration's current execution behind everybody's back, until undo().
class Tampering {
  public:
    Tampering(World& world, const std::string& id, const std::function<void(std::vector<TurnRow>&)>& how);
    void undo();

  private:
    void write(const std::vector<TurnRow>& rows);
    World& world_;
    OrchestrationRow row_;
    std::vector<TurnRow> before_;
};

// On PostgreSQL only.
void sql(World& world, const std::string& text);
// The first column of the first row.
std::string sql_value(World& world, const std::string& text);

// A memory store that reads what Lab::alter_… makes of its rows.
class AlteringStore : public MemoryStore {
  public:
    using MemoryStore::MemoryStore;
    asio::awaitable<Result<std::vector<std::string>>> load_history(std::int64_t key, std::int64_t execution) override;
    asio::awaitable<Result<std::vector<OrchestrationRow>>> load_open(std::vector<int> shards) override;
};

}  // namespace toygres::test
