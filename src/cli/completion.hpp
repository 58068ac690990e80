// Scripts that complete verbs, options and names in a shell.
#pragma once
#include <string>
#include <vector>

namespace toygres::cli {

struct VerbWords {
    std::string verb;  // "create", "orchestrations show"; empty: the program itself
    std::string description;
    std::vector<std::string> words;  // sub-verbs and options
    bool takes_instance;             // its first argument is the name of one that exists
};

// `shell`: bash, zsh or fish. The first of `verbs` is the program itself. Names of instances and contexts are asked for
// when they are completed.
std::string completion_script(const std::string& shell, const std::vector<VerbWords>& verbs);

}  // namespace toygres::cli
