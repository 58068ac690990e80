// What the cluster has and the CMS does not, and the reverse; and what a repair would do about it.
#pragma once
#include "activities/drift_finding.hpp"
#include "base/asio.hpp"
#include "cms/drift.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace toygres::activities {

class InstanceServices;

struct DriftPolicy {
    std::chrono::milliseconds grace;  // what is younger may be on its way
    bool remove_volumes;
};

// An object that carries the labels of an instance.
struct ClusterObject {
    std::string kind;
    std::string name;
    std::string ns;
    std::string uid;
    std::string k8s_name;
    std::string instance_id;   // of its annotation; empty: none
    std::string installation;  // of its label; empty: none
    Timestamp created_at;
    bool being_deleted;
};

// What came into being or went while it was gathered differs from nothing: both readings of the CMS have to agree.
struct DriftFacts {
    std::string installation;
    std::vector<cms::OnRecord> before;
    std::vector<ClusterObject> objects;
    std::vector<cms::Monitor> monitors;
    std::vector<cms::OnRecord> after;  // the deleted ones that objects name included
    Timestamp read_at;
};

// By instance, in the order in which a repair would go about it.
std::vector<DriftFinding> judge_drift(const DriftFacts& facts, const DriftPolicy& policy);

// Looks at `ns` and the namespaces of all instances. Errors, thrown: those of the CMS and of the Kubernetes client.
asio::awaitable<std::vector<DriftFinding>> find_drift(InstanceServices& services, std::string ns, DriftPolicy policy);

}  // namespace toygres::activities
