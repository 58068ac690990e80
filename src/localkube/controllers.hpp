// The controllers of the embedded cluster, one per .cpp; each keeps to the rules of its namesake in Kubernetes.
#pragma once
#include "localkube/controller.hpp"

#include <functional>
#include <memory>
#include <string>

namespace toygres::localkube {

using ControllerPtr = std::shared_ptr<Controller>;

// Gives each namespace its default ServiceAccount and the ConfigMap kube-root-ca.crt; empties one that is deleted.
ControllerPtr make_namespace_controller(std::shared_ptr<NodeContext> node);

// Binds claims to directories; removes the directory of a deleted claim once nobody uses it. `is_in_use` tells of
// processes that still run though their pod's object is gone.
ControllerPtr make_volume_controller(std::shared_ptr<NodeContext> node,
                                     std::function<bool(const std::string& ns, const std::string& claim)> is_in_use);

// Gives Services their addresses and the Endpoints of the pods they select, and keeps a TCP proxy on each.
ControllerPtr make_service_controller(std::shared_ptr<NodeContext> node);

ControllerPtr make_statefulset_controller(std::shared_ptr<NodeContext> node);
ControllerPtr make_job_controller(std::shared_ptr<NodeContext> node);
ControllerPtr make_cronjob_controller(std::shared_ptr<NodeContext> node);
// Keeps the status of PodDisruptionBudgets.
ControllerPtr make_disruption_controller(std::shared_ptr<NodeContext> node);

// Deletes what belongs to owners that are gone, and lets an owner that is deleted in the foreground go last.
ControllerPtr make_garbage_collector(std::shared_ptr<NodeContext> node);

}  // namespace toygres::localkube
