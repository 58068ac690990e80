// What calls with an idempotency key were answered: kept for a day, by the caller's token.
#pragma once
#include "pg/pool.hpp"

#include <optional>
#include <string>

namespace toygres::cms {

struct KeptAnswer {
    std::string request_digest;         // tells a repeated request from another one
    std::string operation;              // its id
    std::optional<std::string> answer;  // the body; absent of one that a server of an older release has kept
};

// What is at most a day old.
asio::awaitable<Result<std::optional<KeptAnswer>>> find_answer(pg::Connection& db, std::string caller, std::string key);
// In the transaction of what it answers. Error: conflict/"idempotency_key_used".
asio::awaitable<Result<void>> keep_answer(pg::Connection& tx, std::string caller, std::string key, KeptAnswer answer);
// Makes a key usable again that is older.
asio::awaitable<Result<void>> free_key(pg::Connection& tx, std::string caller, std::string key);
// The same with all of them: how many.
asio::awaitable<Result<int>> free_keys(pg::Connection& tx);

}  // namespace toygres::cms
