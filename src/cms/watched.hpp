// What a monitor reads of its instance at each look, in one query.
#pragma once
#include "cms/replication.hpp"

#include <string>

namespace toygres::cms {

struct WatchedInstance {
    std::string name;
    std::string state;
    std::string postgres_version;
    int storage_size_gb;
    bool use_load_balancer;
    Json placement;  // kube::Placement
    Replication replication;
    bool automatic_failover;  // of all instances
};

// Errors: not_found/"instance_not_found", also for one without a replication record.
asio::awaitable<Result<WatchedInstance>> get_watched(pg::Connection& db, std::string instance);

}  // namespace toygres::cms
