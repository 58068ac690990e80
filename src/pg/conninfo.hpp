// Connection strings of libpq, taken apart and put together.
#pragma once
#include "base/error.hpp"
#include "base/secret.hpp"

#include <string>

namespace toygres::pg {

// The same connection with this password, unless it has one. A URL becomes keywords and values. Error:
// invalid/"bad_conninfo".
Result<std::string> with_password(const std::string& conninfo, const Secret& password);

}  // namespace toygres::pg
