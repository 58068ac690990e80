#include "cms/tokens.hpp"

#include "base/crypto.hpp"
#include "cms/errors.hpp"

#include <fmt/format.h>

namespace toygres::cms {
namespace {

using pg::params;
using pg::Query;

constexpr Query create_query{"cms.create_token",
                             "INSERT INTO api_tokens (name, token_sha256, scope, expires_at) VALUES ($1, $2, $3, $4)"};
constexpr Query keep_query{"cms.keep_token",
                           "INSERT INTO api_tokens (name, token_sha256) VALUES ($1, $2) ON CONFLICT DO NOTHING"};
constexpr Query find_query{
    "cms.find_token",
    "SELECT name, scope, created_at, expires_at, revoked_at FROM api_tokens WHERE token_sha256 = $1 "
    "AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())"};
constexpr Query list_query{
    "cms.list_tokens", "SELECT name, scope, created_at, expires_at, revoked_at FROM api_tokens ORDER BY created_at"};
constexpr Query revoke_query{
    "cms.revoke_token", "UPDATE api_tokens SET revoked_at = clock_timestamp() WHERE name = $1 AND revoked_at IS NULL"};

Token to_token(const pg::Row& row) {
    return {row.get<std::string>(0), row.get<std::string>(1), row.get<Timestamp>(2),
            row.get<std::optional<Timestamp>>(3), row.get<std::optional<Timestamp>>(4)};
}

}  // namespace

asio::awaitable<Result<Secret>> create_token(pg::Connection& db, std::string name, std::string scope,
                                             std::optional<Timestamp> expires_at) {
    Secret token("tgr_" + base64url_encode(random_bytes(32)));
    auto made = co_await db.execute(create_query, params(name, sha256_hex(token.reveal()), scope, expires_at));
    if (!made) co_return std::unexpected(domain_error(std::move(made).error()));
    co_return token;
}

asio::awaitable<Result<void>> keep_token(pg::Connection& db, std::string name, Secret token) {
    auto kept = co_await db.execute(keep_query, params(name, sha256_hex(token.reveal())));
    if (!kept) co_return std::unexpected(domain_error(std::move(kept).error()));
    co_return Result<void>();
}

asio::awaitable<Result<std::optional<Token>>> find_token(pg::Connection& db, Secret token) {
    auto rows = co_await db.execute(find_query, params(sha256_hex(token.reveal())));
    if (!rows) co_return std::unexpected(std::move(rows).error());
    co_return rows->empty() ? std::nullopt : std::optional(to_token((*rows)[0]));
}

asio::awaitable<Result<std::vector<Token>>> list_tokens(pg::Connection& db) {
    auto rows = co_await db.execute(list_query);
    if (!rows) co_return std::unexpected(std::move(rows).error());
    std::vector<Token> out;
    for (const auto row : *rows) out.push_back(to_token(row));
    co_return out;
}

asio::awaitable<Result<void>> revoke_token(pg::Connection& db, std::string name) {
    auto done = co_await db.execute(revoke_query, params(name));
    if (!done) co_return std::unexpected(std::move(done).error());
    if (done->affected() == 0)
        co_return std::unexpected(
            Error{ErrorKind::not_found, "token_not_found", fmt::format("there is no token {}", name)});
    co_return Result<void>();
}

}  // namespace toygres::cms
