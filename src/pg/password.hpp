// Passwords of roles, as a server stores them.
#pragma once
#include "base/error.hpp"
#include "base/secret.hpp"

#include <string>

namespace toygres::pg {

// A SCRAM-SHA-256 verifier made by libpq with a fresh salt: in ALTER ROLE it stands for the password, which then is in
// no statement and in no log. It holds no quote. Error: internal/"no_verifier".
Result<std::string> password_verifier(const std::string& role, const Secret& password);

// The connection string with this password, whatever it said before.
Result<std::string> with_password_instead(const std::string& conninfo, const Secret& password);

}  // namespace toygres::pg
