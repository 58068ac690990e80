// A command run inside a running container: a child of the cluster that joins the container's namespaces.
#pragma once
#include "localkube/container_user.hpp"
#include "localkube/node.hpp"
#include "localkube/pod_environment.hpp"
#include "localkube/process.hpp"

#include <memory>
#include <string>
#include <vector>

namespace toygres::localkube {

struct ExecTarget {
    ProcessId init;
    ContainerUser user;
    Environment environment;
    std::string working_directory;
    bool as_root;
};

// Error: invalid/"container_not_running", internal/"no_process".
Result<std::unique_ptr<ExecSession>> exec_in_container(asio::io_context& io, ExecTarget target,
                                                       std::vector<std::string> command, bool tty, bool with_stdin);

struct ExecOutcome {
    bool finished;  // false: it took too long and was killed
    int exit_code;
    std::string output;  // both streams; cut at 10 KiB
};
// Runs to the end or the time limit.
asio::awaitable<Result<ExecOutcome>> exec_and_wait(asio::io_context& io, ExecTarget target,
                                                   std::vector<std::string> command,
                                                   std::chrono::milliseconds time_limit);

}  // namespace toygres::localkube
