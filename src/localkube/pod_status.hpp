// The status of a pod as Kubernetes writes it, from what its containers do. Pure.
#pragma once
#include "localkube/object_store.hpp"

#include <optional>
#include <string>
#include <vector>

namespace toygres::localkube {

struct ContainerRun {
    int number;  // 0 for the first
    std::string id;
    std::string started_at;   // empty until the sandbox's first process exists
    std::string finished_at;  // empty while it runs
    int exit_code = 0;
    std::string reason;  // of the end: Completed, Error, StartError, …
    std::string message;

    bool ended() const { return !finished_at.empty(); }
};

struct ContainerView {
    std::string name;
    std::string image;
    std::string image_id;
    bool init;
    std::optional<ContainerRun> current;
    std::optional<ContainerRun> previous;
    std::string waiting_reason;  // not empty: waits for something before its next run
    std::string waiting_message;
    bool started = false;  // passed its startup probe
    bool ready = false;    // passed its readiness probe; init containers: done
};

struct PodView {
    std::string ip;
    std::string start_time;
    std::vector<ContainerView> init_containers;
    std::vector<ContainerView> containers;
    // Not empty: the pod failed as a whole ("DeadlineExceeded", "Evicted").
    std::string failed_reason;
    std::string failed_message;
};

// The new status; `pod` gives the restart policy, readiness gates and the old conditions.
Object pod_status(const Object& pod, const PodView& view);
// Pending, Running, Succeeded or Failed.
std::string pod_phase(const Object& pod, const PodView& view);

}  // namespace toygres::localkube
