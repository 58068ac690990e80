// SCRAM-SHA-256 verifiers as PostgreSQL stores them, so that a password never travels inside SQL.
#pragma once
#include "base/secret.hpp"

#include <string>
#include <string_view>

namespace toygres::agent {

// "SCRAM-SHA-256$4096:<salt>$<stored key>:<server key>" with a fresh salt. Passwords are taken as bytes: PostgreSQL's
// SASLprep leaves ASCII as it is, and what is no valid UTF-8 too.
std::string scram_verifier(const Secret& password);

// Was this verifier made from this password? false for anything that is not a SCRAM-SHA-256 verifier.
bool scram_matches(std::string_view verifier, const Secret& password);

}  // namespace toygres::agent
