// What the kernel tells of processes.
#pragma once
#include <string>
#include <sys/types.h>
#include <vector>

namespace toygres::agent {

struct ProcessEntry {
    pid_t pid;
    std::string name;   // of the program: "postgres"
    std::string title;  // the command line, which postgres sets: "postgres: checkpointer"
    char state;         // as in ps: R, S, D, T, Z
};

std::vector<ProcessEntry> children_of(pid_t parent);

// "checkpointer (D), walsender replicator 10.0.0.7(4711) streaming 0/5000148 (S)": what a postmaster has left, for
// people.
std::string describe_children(pid_t postmaster);

}  // namespace toygres::agent
