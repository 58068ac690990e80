// Sealed values as they are stored, for those that change them.
#pragma once
#include "pg/pool.hpp"

#include <string>
#include <vector>

namespace toygres::cms {

// What is there under that name stays.
asio::awaitable<Result<void>> keep_sealed(pg::Connection& db, std::string instance, std::string name,
                                          std::string sealed);

struct Sealed {
    std::string instance;  // id
    std::string k8s_name;  // what it is sealed for
    std::string name;
    std::string sealed;
};
asio::awaitable<Result<std::vector<Sealed>>> list_sealed(pg::Connection& db);
// The same value sealed anew, unless it has changed or gone meanwhile.
asio::awaitable<Result<void>> reseal(pg::Connection& db, Sealed before, std::string sealed);

}  // namespace toygres::cms
