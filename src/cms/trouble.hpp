// What Kubernetes keeps a running operation waiting for, on record while it lasts.
#pragma once
#include "pg/pool.hpp"

#include <string>

namespace toygres::cms {

// Of the running operations that this orchestration works on. `trouble`: {"reason", "message"}, null for none.
asio::awaitable<Result<void>> set_trouble(pg::Connection& db, std::string orchestration, Json trouble);
// What was set last; null while there is none.
asio::awaitable<Result<Json>> get_trouble(pg::Connection& db, std::string operation);

}  // namespace toygres::cms
