// Keeps the passwords of the superuser and of the replication role as their Secrets say.
#pragma once
#include "agent/psql.hpp"

namespace toygres::agent {

// Compares the stored verifiers with the Secrets; changes what differs, makes the replication role when it is missing.
// true: something was changed. Errors: those of Psql::run; not_found/"file_not_found" when a Secret is not mounted.
asio::awaitable<Result<bool>> reconcile_roles(const Options& options, const Psql& psql);

// A digest of the mounted passwords: when it changes, it is time to reconcile.
std::string roles_digest(const Options& options);

}  // namespace toygres::agent
