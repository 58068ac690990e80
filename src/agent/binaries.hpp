// Where the image keeps PostgreSQL's programs.
#pragma once
#include "base/error.hpp"

#include <string>

namespace toygres::agent {

struct Binaries {
    std::string directory;  // holds postgres, initdb, psql, pg_controldata
    std::string major;      // "17", as PG_VERSION writes it

    std::string path(const std::string& program) const { return directory + "/" + program; }
};

// The first directory of PATH, else the newest /usr/lib/postgresql/*/bin, that holds them all; links are followed.
// Error: not_found/"postgres_not_found".
Result<Binaries> find_binaries();

}  // namespace toygres::agent
