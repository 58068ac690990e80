// SQLSTATE -> Error. Class decides what a caller may do; constraint names are the CMS's business.
#pragma once
#include "base/error.hpp"

#include <string>
#include <string_view>

namespace toygres::pg {

// 08, 57, 53, 40, 55P03, 25006 and a lost connection: transient/"database_unavailable" (or "serialization_failure",
// "lock_not_available", "read_only"): pause and go on. So is XX000 "tuple concurrently updated" (a role or another
// object that two change at once): "serialization_failure". 23505: conflict/"unique_violation"; other 23:
// conflict/"constraint_violation"; both with details {"constraint": name}. 28, 3D, 42501: forbidden/"database_refused".
// TG...: the SQLSTATE in lower case, conflict. Anything else: internal/"sql_error". `details` always has {"sqlstate":
// …}.
Error sql_error(std::string_view sqlstate, std::string message, std::string_view constraint);

// The constraint or SQLSTATE of such an error, or an empty string.
std::string constraint_of(const Error& error);
std::string sqlstate_of(const Error& error);

}  // namespace toygres::pg
