#include "cms/idempotency.hpp"

#include "cms/errors.hpp"

namespace toygres::cms {
namespace {

using pg::params;
using pg::Query;

constexpr Query find_query{
    "cms.find_answer",
    "SELECT request_digest, operation_id, answer FROM (SELECT 1 AS choice, request_digest, operation_id, answer FROM "
    "idempotency_keys WHERE caller = $1 AND key = $2 AND created_at >= now() - interval '24 hours' UNION ALL SELECT 2, "
    "request_digest, id, NULL FROM operations WHERE caller = $1 AND idempotency_key = $2 AND created_at >= now() - "
    "interval '24 hours') kept ORDER BY choice LIMIT 1"};
constexpr Query keep_query{"cms.keep_answer",
                           "INSERT INTO idempotency_keys (caller, key, request_digest, operation_id, answer) "
                           "VALUES ($1, $2, $3, $4, $5)"};
constexpr Query free_query{"cms.free_idempotency_keys", "SELECT free_idempotency_keys($1, $2)"};

}  // namespace

asio::awaitable<Result<std::optional<KeptAnswer>>> find_answer(pg::Connection& db, std::string caller,
                                                               std::string key) {
    auto rows = co_await db.execute(find_query, params(caller, key));
    if (!rows) co_return std::unexpected(std::move(rows).error());
    if (rows->empty()) co_return std::nullopt;
    const auto row = (*rows)[0];
    co_return KeptAnswer{row.get<std::string>(0), row.get<std::string>(1), row.get<std::optional<std::string>>(2)};
}

asio::awaitable<Result<void>> keep_answer(pg::Connection& tx, std::string caller, std::string key, KeptAnswer in) {
    auto done = co_await tx.execute(keep_query, params(caller, key, in.request_digest, in.operation, in.answer));
    if (!done) co_return std::unexpected(domain_error(std::move(done).error()));
    co_return Result<void>();
}

asio::awaitable<Result<void>> free_key(pg::Connection& tx, std::string caller, std::string key) {
    auto done = co_await tx.execute(free_query, params(caller, key));
    if (!done) co_return std::unexpected(std::move(done).error());
    co_return Result<void>();
}

asio::awaitable<Result<int>> free_keys(pg::Connection& tx) {
    auto rows = co_await tx.execute(free_query, params(std::optional<std::string>(), std::optional<std::string>()));
    if (!rows) co_return std::unexpected(std::move(rows).error());
    co_return (*rows)[0].get<int>(0);
}

}  // namespace toygres::cms
