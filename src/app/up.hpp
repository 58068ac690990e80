// `toygres up` and `toygres down`: an embedded CMS, an embedded cluster and a server, as three processes of one state
// directory, each of which can be killed by itself and is started again by the next `up`.
#pragma once
#include <string>

namespace toygres::app {

struct UpConfig {
    std::string state_dir;
    unsigned short port = 0;   // of the API; 0: the one of last time, or 8080, or any
    std::string agent_path{};  // empty: beside this program
};

// Starts what does not run yet, waits until it is ready, tells what to type next. The process's exit code.
int run_up(const UpConfig& config);

struct DownConfig {
    std::string state_dir;
    bool purge = false;  // also removes the directory
};

int run_down(const DownConfig& config);

}  // namespace toygres::app
