// YAML read into JSON values. Plain scalars take the type that the core schema gives them; quoted ones stay strings.
#pragma once
#include "base/json.hpp"

#include <string>
#include <string_view>

namespace YAML {
class Node;
}

namespace toygres::kube {

// The value of a plain (unquoted) or quoted scalar.
Json yaml_scalar(const std::string& text, bool quoted);

// One document. Error: invalid/"invalid_yaml", "<name>:<line>: <problem>"; a repeated key is one.
Result<Json> parse_yaml(std::string_view text, const std::string& name);

}  // namespace toygres::kube
