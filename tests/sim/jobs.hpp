// Work spread over child processes, so that all cores are used and a seed that ends its process is still told of.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace toygres::sim {

struct Finding {
    std::uint64_t item;
    std::string words;
};

// Calls `work` for each of 0 … count-1, each in one of `jobs` processes, until one gives words; the first of them, in
// the order in which they came, or none. A process that dies is a finding, too. `progress` is called now and then with
// how many are done.
std::vector<Finding> run_jobs(std::uint64_t count, int jobs, bool stop_at_first,
                              const std::function<std::string(std::uint64_t)>& work,
                              const std::function<void(std::uint64_t)>& progress);

}  // namespace toygres::sim
