// Bearer tokens of the API: made once, shown once, kept as SHA-256.
#pragma once
#include "base/secret.hpp"
#include "pg/pool.hpp"

#include <optional>
#include <string>
#include <vector>

namespace toygres::cms {

struct Token {
    std::string id;
    std::string name;
    std::string role;   // viewer | operator | admin
    std::string owner;  // whom it speaks for: instances belong to an owner, not to a token
    Timestamp created_at;
    std::optional<Timestamp> expires_at;
    std::optional<Timestamp> revoked_at;
    std::optional<Timestamp> last_used_at;  // to the minute
};
BOOST_DESCRIBE_STRUCT(Token, (), (id, name, role, owner, created_at, expires_at, revoked_at, last_used_at))

struct NewToken {
    std::string name;
    std::string role;
    std::string owner;  // empty: the name
    std::optional<Timestamp> expires_at;
};

// "tgr_" and 256 random bits. Error: conflict/"token_exists".
asio::awaitable<Result<Secret>> create_token(pg::Connection& db, NewToken token);
// Makes this text a token of an administrator, unless it is one already, or was until it was revoked.
asio::awaitable<Result<void>> keep_token(pg::Connection& db, std::string name, Secret token);
// The valid token that this text is, if any.
asio::awaitable<Result<std::optional<Token>>> find_token(pg::Connection& db, Secret token);
// It was used just now.
asio::awaitable<Result<void>> touch_token(pg::Connection& db, std::string id);

struct TokenFilter {
    std::optional<Timestamp> before_created_at{};  // cursor, with before_id
    std::optional<std::string> before_id{};
    int limit = 1000;
};
// Newest first; those that have expired or were revoked, too.
asio::awaitable<Result<std::vector<Token>>> list_tokens(pg::Connection& db, TokenFilter filter);
// Error: not_found/"token_not_found".
asio::awaitable<Result<Token>> revoke_token(pg::Connection& db, std::string name);

}  // namespace toygres::cms
