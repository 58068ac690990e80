// Bearer tokens of the API: made once, shown once, kept as SHA-256.
#pragma once
#include "base/secret.hpp"
#include "pg/pool.hpp"

#include <optional>
#include <string>
#include <vector>

namespace toygres::cms {

struct Token {
    std::string name;
    std::string scope;  // read | write
    Timestamp created_at;
    std::optional<Timestamp> expires_at;
    std::optional<Timestamp> revoked_at;
};
BOOST_DESCRIBE_STRUCT(Token, (), (name, scope, created_at, expires_at, revoked_at))

// "tgr_" and 256 random bits. Error: conflict/"token_exists".
asio::awaitable<Result<Secret>> create_token(pg::Connection& db, std::string name, std::string scope,
                                             std::optional<Timestamp> expires_at);
// Makes this text a token that may write, unless it is one already, or was until it was revoked.
asio::awaitable<Result<void>> keep_token(pg::Connection& db, std::string name, Secret token);
// The valid token that this text is, if any.
asio::awaitable<Result<std::optional<Token>>> find_token(pg::Connection& db, Secret token);
asio::awaitable<Result<std::vector<Token>>> list_tokens(pg::Connection& db);
// Error: not_found/"token_not_found".
asio::awaitable<Result<void>> revoke_token(pg::Connection& db, std::string name);

}  // namespace toygres::cms
