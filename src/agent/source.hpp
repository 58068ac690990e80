// The primary as somebody sees it who is about to copy from it.
#pragma once
#include "agent/psql.hpp"

#include <cstdint>
#include <string>

namespace toygres::agent {

struct Source {
    std::string system_identifier;
    std::int64_t timeline;
    std::int64_t size_bytes;  // of all its databases
};

// Asks `member` and makes sure that it is read-write and that its control file knows its timeline: right after a
// promotion that takes a checkpoint, and pg_rewind would compare with the old timeline before it. Errors: those of
// Psql::run_on; transient/"source_in_recovery".
asio::awaitable<Result<Source>> ask_source(const Psql& psql, std::string member);

}  // namespace toygres::agent
