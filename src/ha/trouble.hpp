// Why Kubernetes does not get on with something, in its own words.
#pragma once
#include "base/json.hpp"

#include <string>

namespace toygres::ha {

struct Trouble {
    std::string reason;   // Kubernetes' own where it has one: "ImagePullBackOff"
    std::string message;  // for people
    bool operator==(const Trouble&) const = default;
};
BOOST_DESCRIBE_STRUCT(Trouble, (), (reason, message))

}  // namespace toygres::ha
