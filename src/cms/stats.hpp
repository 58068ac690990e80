// The figures of the whole fleet at a glance.
#pragma once
#include "pg/pool.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace toygres::cms {

using Counts = std::map<std::string, std::int64_t>;

struct Storage {
    std::int64_t total_gb;
    double average_gb;
};
BOOST_DESCRIBE_STRUCT(Storage, (), (total_gb, average_gb))

struct OperationFigures {
    std::int64_t running;
    std::optional<double> oldest_running_seconds;  // since it began
    Counts last_24h;                               // by state: those that began in the last 24 hours
};
BOOST_DESCRIBE_STRUCT(OperationFigures, (), (running, oldest_running_seconds, last_24h))

struct OrchestrationFigures {
    std::int64_t running;  // that have not ended
    Counts by_type;        // of those
    Counts by_status;      // of those
    Counts last_24h;       // by status: those that began in the last 24 hours
};
BOOST_DESCRIBE_STRUCT(OrchestrationFigures, (), (running, by_type, by_status, last_24h))

struct ServerFigure {
    std::string name;
    std::int64_t worker;
    Timestamp started_at;
};
BOOST_DESCRIBE_STRUCT(ServerFigure, (), (name, worker, started_at))

struct Stats {
    Counts instances;           // by state, and "total" of those that are not deleted
    Counts health;              // of the running ones
    Storage storage;            // of those that are not deleted
    Counts failovers_last_24h;  // completed | failed | running
    OperationFigures operations;
    OrchestrationFigures orchestrations;
    std::vector<ServerFigure> servers;  // that have told of themselves within half a minute
    int schema_version;
    Timestamp time;
};
BOOST_DESCRIBE_STRUCT(Stats, (),
                      (instances, health, storage, failovers_last_24h, operations, orchestrations, servers,
                       schema_version, time))

// In one statement, which reads what is open and what the last 24 hours began.
asio::awaitable<Result<Stats>> get_stats(pg::Connection& db);

}  // namespace toygres::cms
