// What chaos does to an instance and to what tends it.
#pragma once
#include "replicated.hpp"

#include <functional>
#include <string>
#include <vector>

namespace toygres::test {

class SmallVolumes;

// What ends a fault that does not end by itself.
using Mend = std::function<void()>;

struct Fault {
    std::string name;
    std::function<Mend(const Replicated&)> strike;
    // It goes on for as long as the trial wants.
    bool lasts = false;
    // One that takes away what others are brought about with, or mended, comes behind them, and is mended before them.
    int rank = 0;
};

// With `volumes`, those of the instance that is broken, also faults that fill them.
std::vector<Fault> all_faults(const SmallVolumes* volumes);

}  // namespace toygres::test
