// Looks whether what the server stands on is as it should be: its database and its cluster, which only it can reach.
#pragma once
#include "api/services.hpp"
#include "cms/inspection.hpp"

#include <string>
#include <vector>

namespace toygres::api {

enum class CheckStatus { ok, warning, failed };
BOOST_DESCRIBE_ENUM(CheckStatus, ok, warning, failed)

struct Check {
    std::string name;  // stable: "database.schema"
    CheckStatus status;
    std::string message;                // what was found
    std::optional<std::string> advice;  // how to mend it; never with "ok"
};
BOOST_DESCRIBE_STRUCT(Check, (), (name, status, message, advice))

// Of a database that answered. `local_now`: this machine's clock at the time; `disk_free_bytes` where it is known.
std::vector<Check> judge_database(const cms::DatabaseFacts& facts, Timestamp local_now,
                                  std::optional<std::int64_t> disk_free_bytes);

// All of them, those of what cannot be reached left out. Takes as long as what it looks at, at most half a minute.
asio::awaitable<std::vector<Check>> check_system(const ApiServices& services);

}  // namespace toygres::api
