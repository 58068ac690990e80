// Small files that must survive the kill of a process but not a crash of the machine, after which no container runs any
// more: replaced by rename, without waiting for the disk.
#pragma once
#include "base/error.hpp"

#include <string>
#include <string_view>
#include <sys/types.h>

namespace toygres::localkube {

// Error: internal/"file_unwritable" with the path.
Result<void> replace_file(const std::string& path, std::string_view content, mode_t mode = 0644);

}  // namespace toygres::localkube
