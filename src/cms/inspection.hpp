// What the database says about itself, for whoever looks whether all is well.
#pragma once
#include "pg/pool.hpp"

#include <optional>
#include <string>

namespace toygres::cms {

struct DatabaseFacts {
    std::string version;  // "17.2 (Debian 17.2-1)"
    int version_number;   // 170002
    int schema_version;   // the last migration that was applied
    bool fsync;
    bool full_page_writes;
    std::string synchronous_commit;
    bool in_recovery;         // a standby: it takes no writes
    std::int64_t size_bytes;  // of this database
    int connections;          // of all clients
    int connections_max;
    std::optional<std::string> local_data_directory;  // when it is of this machine, and the role may know
    Timestamp now;
};
asio::awaitable<Result<DatabaseFacts>> inspect_database(pg::Connection& db);

}  // namespace toygres::cms
