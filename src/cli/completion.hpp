// Scripts that complete verbs and options in a shell.
#pragma once
#include <string>
#include <vector>

namespace toygres::cli {

struct VerbWords {
    std::string verb;  // "create", "orchestrations show"; empty: the program itself
    std::string description;
    std::vector<std::string> words;  // sub-verbs and options
};

// `shell`: bash, zsh or fish.
std::string completion_script(const std::string& shell, const std::vector<VerbWords>& verbs);

}  // namespace toygres::cli
