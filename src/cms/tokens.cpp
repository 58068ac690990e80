#include "cms/tokens.hpp"

#include "base/crypto.hpp"
#include "cms/errors.hpp"

#include <fmt/format.h>

namespace toygres::cms {
namespace {

using pg::params;
using pg::Query;

#define TOYGRES_TOKEN_COLUMNS "id, name, role, owner, created_at, expires_at, revoked_at, last_used_at"

constexpr Query create_query{
    "cms.create_token",
    "INSERT INTO api_tokens (name, token_sha256, role, owner, expires_at) VALUES ($1, $2, $3, $4, $5)"};
constexpr Query keep_query{
    "cms.keep_token",
    "INSERT INTO api_tokens (name, token_sha256, role) VALUES ($1, $2, 'admin') ON CONFLICT DO NOTHING"};
constexpr Query find_query{"cms.find_token",
                           "SELECT " TOYGRES_TOKEN_COLUMNS
                           ", token_sha256 FROM api_tokens WHERE token_sha256 = $1 "
                           "AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())"};
constexpr Query touch_query{"cms.touch_token",
                            "UPDATE api_tokens SET last_used_at = clock_timestamp() WHERE id = $1 "
                            "AND (last_used_at IS NULL OR last_used_at < clock_timestamp() - interval '1 minute')"};
constexpr Query list_query{
    "cms.list_tokens",
    "SELECT " TOYGRES_TOKEN_COLUMNS
    " FROM api_tokens "
    "WHERE $1::timestamptz IS NULL OR (date_trunc('milliseconds', created_at), id) < ($1::timestamptz, $2::uuid) "
    "ORDER BY date_trunc('milliseconds', created_at) DESC, id DESC LIMIT $3"};
constexpr Query revoke_query{"cms.revoke_token",
                             "UPDATE api_tokens SET revoked_at = clock_timestamp() WHERE name = $1 AND revoked_at IS "
                             "NULL RETURNING " TOYGRES_TOKEN_COLUMNS};

Token to_token(const pg::Row& row) {
    return {.id = row.get<std::string>(0),
            .name = row.get<std::string>(1),
            .role = row.get<std::string>(2),
            .owner = row.get<std::string>(3),
            .created_at = row.get<Timestamp>(4),
            .expires_at = row.get<std::optional<Timestamp>>(5),
            .revoked_at = row.get<std::optional<Timestamp>>(6),
            .last_used_at = row.get<std::optional<Timestamp>>(7)};
}

}  // namespace

asio::awaitable<Result<Secret>> create_token(pg::Connection& db, NewToken in) {
    Secret token("tgr_" + base64url_encode(random_bytes(32)));
    auto made = co_await db.execute(create_query, params(in.name, sha256_hex(token.reveal()), in.role,
                                                         in.owner.empty() ? in.name : in.owner, in.expires_at));
    if (!made) co_return std::unexpected(domain_error(std::move(made).error()));
    co_return token;
}

asio::awaitable<Result<void>> keep_token(pg::Connection& db, std::string name, Secret token) {
    auto kept = co_await db.execute(keep_query, params(name, sha256_hex(token.reveal())));
    if (!kept) co_return std::unexpected(domain_error(std::move(kept).error()));
    co_return Result<void>();
}

asio::awaitable<Result<std::optional<Token>>> find_token(pg::Connection& db, Secret token) {
    const auto digest = sha256_hex(token.reveal());
    auto rows = co_await db.execute(find_query, params(digest));
    if (!rows) co_return std::unexpected(std::move(rows).error());
    if (rows->empty() || !constant_time_equal((*rows)[0].text(8), digest)) co_return std::nullopt;
    co_return to_token((*rows)[0]);
}

asio::awaitable<Result<void>> touch_token(pg::Connection& db, std::string id) {
    auto done = co_await db.execute(touch_query, params(id));
    if (!done) co_return std::unexpected(std::move(done).error());
    co_return Result<void>();
}

asio::awaitable<Result<std::vector<Token>>> list_tokens(pg::Connection& db, TokenFilter filter) {
    auto rows = co_await db.execute(list_query, params(filter.before_created_at, filter.before_id, filter.limit));
    if (!rows) co_return std::unexpected(std::move(rows).error());
    std::vector<Token> out;
    for (const auto row : *rows) out.push_back(to_token(row));
    co_return out;
}

asio::awaitable<Result<Token>> revoke_token(pg::Connection& db, std::string name) {
    auto done = co_await db.execute(revoke_query, params(name));
    if (!done) co_return std::unexpected(std::move(done).error());
    if (done->empty())
        co_return std::unexpected(
            Error{ErrorKind::not_found, "token_not_found", fmt::format("there is no token {} in force", name)});
    co_return to_token((*done)[0]);
}

}  // namespace toygres::cms
