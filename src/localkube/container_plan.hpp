// What a container's next run is to be: its image, user, environment, mounts and command as one sandbox.
#pragma once
#include "localkube/container_shim.hpp"
#include "localkube/node_context.hpp"

#include <map>
#include <string>

namespace toygres::localkube {

struct ContainerInput {
    ObjectPtr pod;                               // with status.podIP
    std::map<std::string, std::string> volumes;  // directory by name
    std::string address;
};

struct ContainerPlan {
    ShimSpec shim;
    std::string image_id;
};

// Writes the run's own /etc/passwd and /etc/group into `directory`. Errors: not_found/"image_unavailable",
// not_found/"config_missing", invalid/"runs_as_root", invalid/"volume_unsupported", internal/"file_unwritable".
Result<ContainerPlan> plan_container(const NodeContext& node, const Object& container, const ContainerInput& input,
                                     const std::string& directory, const std::string& log_file);

}  // namespace toygres::localkube
