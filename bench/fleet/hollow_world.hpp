// The world that a control plane of a hollow fleet sees, in a process of its own: the embedded cluster's API over a
// hollow node, and all members.
#pragma once
#include "fleet/sight.hpp"

#include <string>
#include <sys/types.h>

namespace toygres::bench {

// A network with nothing in it but a loopback that is up, for this process and those it starts. As an ordinary user in
// a user namespace. Throws internal/"no_network" when the machine allows neither. Before the first thread.
void enter_own_network();

class HollowWorld {
  public:
    // Starts the process and waits until the cluster's API is there. `directory` is made; it holds the objects and the
    // kubeconfig. Throws internal/"world_not_started".
    HollowWorld(std::string directory, Sight& sight);
    ~HollowWorld();
    HollowWorld(const HollowWorld&) = delete;
    HollowWorld& operator=(const HollowWorld&) = delete;

    std::string kubeconfig() const { return directory_ + "/kubeconfig"; }
    pid_t pid() const { return pid_; }

  private:
    std::string directory_;
    pid_t pid_;
};

}  // namespace toygres::bench
