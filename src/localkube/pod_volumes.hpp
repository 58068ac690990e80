// The volumes of a pod, as directories on the host.
#pragma once
#include "localkube/atomic_directory.hpp"
#include "localkube/node_context.hpp"

#include <map>
#include <string>

namespace toygres::localkube {

// Makes what is not there yet and brings secrets, config maps and the downward API up to date; may be called as often
// as something changes. Gives each volume's path by its name. Errors: not_found/"volume_missing" (an object that may
// still come), invalid/"volume_unsupported", internal/"volume_unwritable".
Result<std::map<std::string, std::string>> lay_out_volumes(NodeContext& node, const Object& pod);

}  // namespace toygres::localkube
