// What the hollow members see of the control plane: in memory that the benchmark and the process that plays them share.
#pragma once
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

namespace toygres::bench {

inline constexpr std::size_t instances_max = 20'000;
inline constexpr std::size_t late_max_ms = 60'000;

// Of the machine's monotonic clock, which all processes share.
inline std::int64_t steady_ns() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

struct Sight {
    struct Instance {
        std::atomic<std::int64_t> checked_at_ns;  // the last look as a user; 0: none yet
        std::atomic<std::int64_t> asked_at_ns;    // the last question to the agent of its primary
    };
    std::atomic<bool> ready;                // the cluster's API is there
    std::atomic<std::int64_t> interval_ms;  // of the checks that are expected; lateness is counted from it
    std::atomic<std::int64_t> instances;
    std::atomic<std::int64_t> checks;
    std::atomic<std::int64_t> asks;
    std::atomic<std::int64_t> words;              // told by agents without being asked
    std::atomic<std::int64_t> postgres_sessions;  // opened so far
    std::atomic<std::int64_t> agent_sessions;
    std::atomic<std::int64_t> postgres_open;
    std::atomic<std::int64_t> agent_open;
    std::array<std::atomic<std::int64_t>, late_max_ms + 1> late_ms;  // checks that came so many ms late
    std::array<Instance, instances_max> instance;
};

}  // namespace toygres::bench
