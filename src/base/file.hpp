// Whole files: read, and write so that a reader sees the old content or the new, never half.
#pragma once
#include "base/error.hpp"

#include <string>
#include <string_view>
#include <sys/types.h>

namespace toygres {

// Errors: not_found/"file_not_found", internal/"file_unreadable", both with the path.
Result<std::string> read_file(const std::string& path);

// Writes beside the target, fsyncs, renames, fsyncs the directory. Error: internal/"file_unwritable" with the path.
Result<void> write_file_atomically(const std::string& path, std::string_view content, mode_t mode = 0644);

}  // namespace toygres
