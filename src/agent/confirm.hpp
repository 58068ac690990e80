// Proof that a running server goes by the configuration that was written: a signal alone tells nothing.
#pragma once
#include "agent/configuration.hpp"
#include "agent/psql.hpp"

namespace toygres::agent {

// Does a new session of the server see this configuration, and the server in (or out of) recovery? Errors: those of
// Psql::run.
asio::awaitable<Result<bool>> sees_configuration(const Psql& psql, Orders orders, bool in_recovery);

// After it commits wait for the synchronous standbys that every session sees already: whether any are there is told to
// backends by the checkpointer, which looks at its configuration only between two checkpoints. Errors as above.
asio::awaitable<Result<void>> arm_synchronous_commit(const Psql& psql);

}  // namespace toygres::agent
