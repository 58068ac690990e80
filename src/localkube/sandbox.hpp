// The bubblewrap sandbox of a container: the host's root read-only, private /tmp, /run, /proc and /dev, volumes bound
// at their mount paths, its own process, IPC and host-name space. The network is the host's.
#pragma once
#include <optional>
#include <string>
#include <vector>

namespace toygres::localkube {

struct SandboxMount {
    std::string source;  // empty: a tmpfs of its own
    std::string target;
    bool read_only;
};

struct Sandbox {
    std::vector<SandboxMount> mounts;
    std::vector<std::string> hidden;  // directories of the host that no container may see
    std::string hostname;
    std::string working_directory;  // empty: "/"
    int uid = 0;
    int gid = 0;
    std::vector<int> groups;
    bool drop_capabilities = false;
    bool as_root;  // the cluster runs as root: users are switched for real, otherwise mapped
};

// bwrap's options; looks at the host's file system to see which mount points exist.
std::vector<std::string> sandbox_options(const Sandbox& sandbox);
// What bwrap runs: the command under the sandbox's user, without a way to gain privileges.
std::vector<std::string> sandbox_command(const Sandbox& sandbox, const std::vector<std::string>& command);

}  // namespace toygres::localkube
