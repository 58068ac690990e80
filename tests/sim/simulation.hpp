// One run: some processes and users over one database, on one thread, in virtual time; a pure function of its seed.
#pragma once
#include "client.hpp"
#include "storm.hpp"

namespace toygres::sim {

// How an orchestration ended.
struct Outcome {
    std::string status;
    Json output;
    std::string code;
    Json custom_status;
    std::size_t effects;  // of transactional steps
    bool operator==(const Outcome&) const = default;
};
BOOST_DESCRIBE_STRUCT(Outcome, (), (status, output, code, custom_status, effects))

struct RunOptions {
    bool faults = true;
    std::size_t lines_kept = 60;  // of the trace
};

struct RunReport {
    std::optional<Broken> broken;
    std::map<std::string, Outcome> outcomes;
    std::uint64_t digest;  // of the trace
    std::size_t lines;
    std::vector<std::string> last_lines;
};

class Simulation {
  public:
    Simulation(std::uint64_t seed, RunOptions options);
    // What is still to come speaks to processes: it goes before they do.
    ~Simulation() { db_.timeline.clear(); }
    Simulation(const Simulation&) = delete;
    Simulation& operator=(const Simulation&) = delete;
    RunReport run();

  private:
    void start_process(int slot);
    void strike(const Blow& blow);
    void kill(int slot, milliseconds until_restart);
    void weather_for(bool Weather::* what, milliseconds time, std::string_view name);
    void calm();
    // Runs until `condition` holds, something is broken, or `limit` has passed; false then.
    bool until(const std::function<bool()>& condition, milliseconds limit, const std::string& hope);
    bool run_one_handler();
    bool settled();
    bool stop_all();
    void check_end();
    std::string what_is_left();
    Process* process_in(int slot);

    Random random(std::string_view stream) const { return Random(seed_, stream); }

    std::uint64_t seed_;
    RunOptions options_;
    Database db_;
    Workload workload_;
    Random schedule_;
    Random processes_random_;
    HostOptions host_options_;
    int slots_;
    Users users_;
    std::vector<std::unique_ptr<Process>> processes_;
    std::vector<Process*> in_slot_;
    std::vector<Actor*> ready_;
    std::optional<milliseconds> looked_at_;
    bool settled_ = false;
};

// Runs a seed with its faults and without, and compares how they end.
RunReport run_seed(std::uint64_t seed, RunOptions options);

}  // namespace toygres::sim
