// Metrics of the instances, in the Prometheus text format: read from the CMS at the scrape, so that every server tells
// the same, and nothing of an instance that is gone.
#pragma once
#include "cms/operations.hpp"
#include "cms/replication.hpp"

#include <string>
#include <vector>

namespace toygres::api {

struct Fleet {
    std::vector<cms::ReplicationFigures> instances;
    std::vector<cms::FailoverCount> failovers;
    std::vector<cms::RunningOperations> operations;
    cms::FleetFailover failover;
};
std::string fleet_metrics(const Fleet& fleet);

}  // namespace toygres::api
