// Who the processes of a container are, and the files that give the user a name.
#pragma once
#include "localkube/object_store.hpp"

#include <string>
#include <vector>

namespace toygres::localkube {

struct ContainerUser {
    int uid;
    int gid;
    std::vector<int> groups;
    bool drop_capabilities;  // capabilities.drop has ALL
};

// From the security contexts of the container and the pod. Error: invalid/"runs_as_root" under runAsNonRoot.
Result<ContainerUser> container_user(const Object& pod, const Object& container);

// /etc/passwd and /etc/group: root, nobody, and the container's user under the name "postgres".
std::string passwd_file(const ContainerUser& user, const std::string& home);
std::string group_file(const ContainerUser& user);

}  // namespace toygres::localkube
