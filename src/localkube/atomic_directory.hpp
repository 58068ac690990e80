// A directory whose files change all at once, laid out as the kubelet does it: `..data` is a link to a folder of this
// generation, and each name at the top is a link through it.
#pragma once
#include "base/error.hpp"

#include <map>
#include <string>
#include <sys/types.h>

namespace toygres::localkube {

struct VolumeFile {
    std::string content;
    mode_t mode;
    bool operator==(const VolumeFile&) const = default;
};
using VolumeFiles = std::map<std::string, VolumeFile>;  // by relative path

// Writes nothing when the content is already the same. `group` owns the files when it is not negative.
// Error: internal/"volume_unwritable".
Result<void> write_atomic_directory(const std::string& directory, const VolumeFiles& files, int group);

}  // namespace toygres::localkube
