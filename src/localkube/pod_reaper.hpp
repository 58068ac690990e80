// Pods as they lie on disk, for when there is no cluster process or no object that they belong to.
#pragma once
#include <chrono>
#include <string>

namespace toygres::localkube {

// Is any container of the pod still supervised?
bool pod_runs(const std::string& pod_directory);
// Signals the first process of each container.
void signal_pod(const std::string& pod_directory, int signal);

// Ends all pods of a cluster that does not run: SIGTERM, each pod's grace (but no more than `grace_max`), SIGKILL.
// Blocks until they are gone; false when some are not, even so.
bool stop_all_pods(const std::string& state_dir, std::chrono::seconds grace_max = std::chrono::seconds(60));

}  // namespace toygres::localkube
