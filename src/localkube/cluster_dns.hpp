// The cluster's names as lines of /etc/hosts: what a DNS server answers in a real cluster.
#pragma once
#include "localkube/object_store.hpp"

#include <string>

namespace toygres::localkube {

// Services as `<svc>` (own namespace), `<svc>.<ns>`, `.svc`, `.svc.cluster.local`; headless ones with each of their
// pods' addresses, and `<pod>.<svc>…` for pods with a host name.
std::string cluster_hosts(const ObjectStore& store, const std::string& ns);

}  // namespace toygres::localkube
