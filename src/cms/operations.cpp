#include "cms/operations.hpp"

#include "cms/errors.hpp"

#include <fmt/format.h>

namespace toygres::cms {
namespace {

using pg::params;
using pg::Query;

#define TOYGRES_OPERATION_COLUMNS                                                                                    \
    "p.id, p.kind, p.instance_id, i.user_name, p.orchestration, p.state, p.caller, p.request_id, p.request_digest, " \
    "o.custom_status, p.result, p.error, p.created_at, p.finished_at, p.trouble FROM operations p "                  \
    "JOIN instances i ON i.id = p.instance_id LEFT JOIN orchestrations o ON o.id = p.orchestration "

constexpr Query insert_query{"cms.insert_operation",
                             "INSERT INTO operations (id, kind, instance_id, orchestration, caller, request_id, "
                             "idempotency_key, request_digest) "
                             "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"};
constexpr Query get_query{"cms.get_operation", "SELECT " TOYGRES_OPERATION_COLUMNS "WHERE p.id = $1"};
constexpr Query by_key_query{"cms.operation_by_key",
                             "SELECT " TOYGRES_OPERATION_COLUMNS "WHERE p.caller = $1 AND p.idempotency_key = $2"};
constexpr Query running_query{"cms.operation_running",
                              "SELECT " TOYGRES_OPERATION_COLUMNS
                              "WHERE p.instance_id = $1 AND p.kind = $2 AND p.state = 'running'"};
#define TOYGRES_LIST_OPERATIONS(COMPARISON, DIRECTION)                                                               \
    "SELECT " TOYGRES_OPERATION_COLUMNS                                                                              \
    "WHERE ($1::text IS NULL OR i.user_name = $1) AND ($2::text IS NULL OR p.state = $2) "                           \
    "AND ($3::timestamptz IS NULL OR (date_trunc('milliseconds', p.created_at), p.id) " COMPARISON                   \
    " ($3::timestamptz, $4::text)) ORDER BY date_trunc('milliseconds', p.created_at) " DIRECTION ", p.id " DIRECTION \
    " LIMIT $5"
constexpr Query list_newest{"cms.list_newest_operations", TOYGRES_LIST_OPERATIONS("<", "DESC")};
constexpr Query list_oldest{"cms.list_oldest_operations", TOYGRES_LIST_OPERATIONS(">", "ASC")};
constexpr Query count_running_query{"cms.count_running_operations",
                                    "SELECT kind, count(*), greatest(0, extract(epoch FROM clock_timestamp() - "
                                    "min(created_at)))::float8 FROM operations "
                                    "WHERE state = 'running' GROUP BY kind ORDER BY kind"};
constexpr Query finish_query{
    "cms.finish_operation",
    "UPDATE operations SET state = $2, result = $3, error = $4, finished_at = clock_timestamp() "
    "WHERE id = $1 AND state = 'running'"};
constexpr Query settle_query{
    "cms.settle_operations",
    "UPDATE operations p SET state = CASE o.status WHEN 'completed' THEN 'succeeded' WHEN 'cancelled' THEN 'cancelled' "
    "ELSE 'failed' END, error = o.error, finished_at = clock_timestamp() FROM orchestrations o "
    "WHERE o.id = p.orchestration AND p.state = 'running' AND o.finished_at < clock_timestamp() - interval '5 s'"};

constexpr Query cancel_query{
    "cms.cancel_operations",
    "WITH dropped AS (UPDATE replication SET request = NULL WHERE instance_id = $1 AND request IS NOT NULL) "
    "UPDATE operations SET state = 'cancelled', error = $3, finished_at = clock_timestamp() "
    "WHERE instance_id = $1 AND id <> $2 AND state = 'running' AND kind NOT IN ('create_instance', 'delete_instance')"};

// What its orchestration says, and while it runs what Kubernetes keeps it waiting for.
Json progress_of(const pg::Row& row) {
    auto out = row.get<Json>(9);
    const auto trouble = row.get<Json>(14);
    if (row.text(5) != "running" || !trouble.is_object()) return out;
    if (!out.is_object()) out = Json::object();
    out.update(trouble);
    return out;
}

Operation to_operation(const pg::Row& row) {
    return {.id = row.get<std::string>(0),
            .kind = row.get<std::string>(1),
            .instance_id = row.get<std::string>(2),
            .instance = row.get<std::string>(3),
            .orchestration = row.get<std::string>(4),
            .state = row.get<std::string>(5),
            .caller = row.get<std::string>(6),
            .request_id = row.get<std::string>(7),
            .request_digest = row.get<std::string>(8),
            .progress = progress_of(row),
            .result = row.get<Json>(10),
            .error = row.get<Json>(11),
            .created_at = row.get<Timestamp>(12),
            .finished_at = row.get<std::optional<Timestamp>>(13)};
}

Result<std::optional<Operation>> optional_one(Result<pg::Rows> rows) {
    if (!rows) return std::unexpected(std::move(rows).error());
    return rows->empty() ? std::nullopt : std::optional(to_operation((*rows)[0]));
}

}  // namespace

asio::awaitable<Result<void>> insert_operation(pg::Connection& tx, NewOperation in) {
    auto done = co_await tx.execute(insert_query, params(in.id, in.kind, in.instance_id, in.orchestration, in.caller,
                                                         in.request_id, in.idempotency_key, in.request_digest));
    if (!done) co_return std::unexpected(domain_error(std::move(done).error()));
    co_return Result<void>();
}

asio::awaitable<Result<Operation>> get_operation(pg::Connection& db, std::string id) {
    auto rows = co_await db.execute(get_query, params(id));
    if (!rows) co_return std::unexpected(std::move(rows).error());
    if (rows->empty())
        co_return std::unexpected(
            Error{ErrorKind::not_found, "operation_not_found", fmt::format("there is no operation {}", id)});
    co_return to_operation((*rows)[0]);
}

asio::awaitable<Result<std::optional<Operation>>> find_by_key(pg::Connection& db, std::string caller, std::string key) {
    auto rows = co_await db.execute(by_key_query, params(caller, key));
    co_return optional_one(std::move(rows));
}

asio::awaitable<Result<std::optional<Operation>>> find_running(pg::Connection& db, std::string instance_id,
                                                               std::string kind) {
    auto rows = co_await db.execute(running_query, params(instance_id, kind));
    co_return optional_one(std::move(rows));
}

asio::awaitable<Result<std::vector<Operation>>> list_operations(pg::Connection& db, OperationFilter filter) {
    auto rows = co_await db.execute(
        filter.oldest_first ? list_oldest : list_newest,
        params(filter.instance, filter.state, filter.after_created_at, filter.after_id, filter.limit));
    if (!rows) co_return std::unexpected(std::move(rows).error());
    std::vector<Operation> out;
    for (const auto row : *rows) out.push_back(to_operation(row));
    co_return out;
}

asio::awaitable<Result<std::vector<RunningOperations>>> count_running_operations(pg::Connection& db) {
    auto rows = co_await db.execute(count_running_query);
    if (!rows) co_return std::unexpected(std::move(rows).error());
    std::vector<RunningOperations> out;
    for (const auto row : *rows) out.push_back({row.get<std::string>(0), row.get<std::int64_t>(1), row.get<double>(2)});
    co_return out;
}

asio::awaitable<Result<void>> finish_operation(pg::Connection& tx, std::string id, std::string state, Json result,
                                               Json error) {
    auto done = co_await tx.execute(finish_query, params(id, state, result, error));
    if (!done) co_return std::unexpected(std::move(done).error());
    co_return Result<void>();
}

asio::awaitable<Result<int>> settle_operations(pg::Connection& tx) {
    auto done = co_await tx.execute(settle_query);
    if (!done) co_return std::unexpected(std::move(done).error());
    co_return static_cast<int>(done->affected());
}

asio::awaitable<Result<void>> cancel_operations(pg::Connection& tx, std::string instance, std::string but) {
    const Error gone{ErrorKind::cancelled, "instance_deleted", "the instance is being deleted"};
    auto done = co_await tx.execute(cancel_query, params(instance, but, encode(gone)));
    if (!done) co_return std::unexpected(std::move(done).error());
    co_return Result<void>();
}

}  // namespace toygres::cms
