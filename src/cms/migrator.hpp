// Brings the schema of a database to this release: each migration once, in its own transaction, under an advisory lock,
// with a checksum so that a changed one is noticed.
#pragma once
#include "base/error.hpp"

#include <functional>
#include <string>

namespace toygres::cms {

struct MigrationReport {
    int applied;  // by this call
    int version;  // of the schema now
};

// The number of this release's last migration.
int latest_migration();

// A schema that is ahead of this release serves it as long as what later releases did to it was to add: see
// docs/decisions/0065.
//
// Blocking: for start-up and the command line. `progress` is told each migration before it runs. Errors:
// transient/"database_unavailable", conflict/"migration_changed" with its name, conflict/"schema_too_new" when
// something was taken away, internal/"migration_failed" with name and the database's words.
Result<MigrationReport> migrate(const std::string& conninfo, const std::string& schema,
                                const std::function<void(const std::string& name)>& progress = {});

}  // namespace toygres::cms
