// What the simulated processes run: orchestrations that together use all that the runtime offers, each written such
// that its end does not depend on time, and the activities and steps that they call.
#pragma once
#include "checker.hpp"
#include "runtime/core/registry.hpp"
#include "runtime/host/clock.hpp"

namespace toygres::sim {

// What activities and steps of one process see of the simulation.
struct Surroundings {
    asio::any_io_executor executor;
    Clock& clock;
    Checker& checker;
    std::function<std::int64_t()> worker;
};

struct Spec {
    int value;
    int size;    // how often, how many
    int millis;  // how long
};
BOOST_DESCRIBE_STRUCT(Spec, (), (value, size, millis))

struct Number {
    int value;
};
BOOST_DESCRIBE_STRUCT(Number, (), (value))

// Of families.cpp.
void add_families(OrchestrationRegistry& registry);

struct Workload {
    Workload();
    OrchestrationRegistry orchestrations;
    ActivityRegistry activities;
};

}  // namespace toygres::sim
