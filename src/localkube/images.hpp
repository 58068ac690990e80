// What an image name means on this machine: the host's own root, with PostgreSQL's binaries of a major or the agent.
#pragma once
#include "base/error.hpp"

#include <map>
#include <string>
#include <vector>

namespace toygres::localkube {

struct Image {
    std::string id;                                  // "host://postgres:15"
    std::map<std::string, std::string> environment;  // what the image sets
    std::vector<std::string> command;                // when the container names none; may be empty
    std::string agent_path;                          // not empty: this file stands at /toygres-agent
    std::string home = "/";                          // of the user that the container runs as
};

// Error: not_found/"image_unavailable", which tells what is missing.
Result<Image> find_image(const std::string& name, const std::string& agent_path);

}  // namespace toygres::localkube
