// Metrics of the instances, in the Prometheus text format: read from the CMS at the scrape, so that every server tells
// the same, and nothing of an instance that is gone.
#pragma once
#include "cms/replication.hpp"

#include <string>
#include <vector>

namespace toygres::api {

std::string fleet_metrics(const std::vector<cms::ReplicationFigures>& instances,
                          const std::vector<cms::FailoverCount>& failovers, const cms::FleetFailover& fleet);

}  // namespace toygres::api
