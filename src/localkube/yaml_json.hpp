// YAML text as JSON, for request bodies.
#pragma once
#include "base/json.hpp"

#include <string>

namespace toygres::localkube {

// Plain scalars become null, booleans and numbers where YAML 1.2 says so; quoted ones stay strings.
// Error: invalid/"invalid_json" with line and column.
Result<Json> parse_yaml(const std::string& text);

}  // namespace toygres::localkube
