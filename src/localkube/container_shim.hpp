// The supervisor of one container: a process of its own that outlives the cluster. It starts the sandbox, writes its
// log with timestamps, and records durably how it ended. The cluster and the shim share nothing but a directory:
//   spec.json   what to run (ShimSpec), written before the start; mode 0600, it may hold secrets in its environment
//   lock        held (flock) by the shim as long as it lives
//   state.json  ShimState, once the sandbox's first process exists
//   exit.json   ShimExit, once that process ended
#pragma once
#include "localkube/process.hpp"

#include <map>
#include <string>
#include <vector>

namespace toygres::localkube {

struct ShimSpec {
    std::vector<std::string> sandbox;  // bwrap's options
    std::vector<std::string> command;
    std::map<std::string, std::string> environment;
    std::string log_path;
};
BOOST_DESCRIBE_STRUCT(ShimSpec, (), (sandbox, command, environment, log_path))

struct ShimState {
    ProcessId shim;
    ProcessId init;  // process 1 of the sandbox, as the host sees it
    std::string started_at;
};
BOOST_DESCRIBE_STRUCT(ShimState, (), (shim, init, started_at))

struct ShimExit {
    int exit_code;  // 128 + signal when a signal ended it
    bool started;   // false: the sandbox could not be made; `message` tells why
    std::string message;
    std::string finished_at;
};
BOOST_DESCRIBE_STRUCT(ShimExit, (), (exit_code, started, message, finished_at))

// The whole program of `<program> container-shim DIRECTORY LOCK_FD READY_FD`, which the product's main calls when its
// first argument says so. Closes READY_FD once state.json or exit.json is there.
int container_shim_main(int argc, char** argv);

}  // namespace toygres::localkube
