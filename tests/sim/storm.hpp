// The faults of a run, drawn from its seed: what happens to which process or to the database, and when.
#pragma once
#include "random.hpp"

#include <string>
#include <vector>

namespace toygres::sim {

using std::chrono::milliseconds;

enum class Trouble { kill, freeze, stop, break_session, step_clock, database_away, read_only, slow };

struct Blow {
    milliseconds at;
    Trouble trouble;
    int slot;            // of which process, where it is one
    milliseconds lasts;  // how long it lasts; until the process is started again; by how much the clock is wrong
    int handlers;        // a process is killed after so many more of its handlers
};

// Over before this.
inline constexpr milliseconds storm_ends{60'000};

std::vector<Blow> draw_storm(Random random, int slots);

}  // namespace toygres::sim
