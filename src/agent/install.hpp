// `toygres-agent install DIR`: the init container's whole work.
#pragma once
#include "base/error.hpp"

#include <string>

namespace toygres::agent {

// Copies this very program to DIR/toygres-agent (mode 0755). Error: internal/"file_unwritable".
Result<void> install(const std::string& directory);

}  // namespace toygres::agent
