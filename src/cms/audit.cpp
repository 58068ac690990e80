#include "cms/audit.hpp"

#include "cms/errors.hpp"

namespace toygres::cms {
namespace {

using pg::params;
using pg::Query;

constexpr Query add_query{"cms.add_audit",
                          "INSERT INTO audit_log (caller, owner, peer, action, object, outcome, status, code, "
                          "request_id, left_out) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id"};
constexpr Query end_query{"cms.end_audit",
                          "UPDATE audit_log SET outcome = $2, status = $3, code = $4, object = coalesce(object, $5) "
                          "WHERE id = $1 AND outcome = 'begun'"};
constexpr Query list_query{
    "cms.list_audit",
    "SELECT id, at, caller, owner, peer, action, object, outcome, status, code, request_id, left_out FROM audit_log "
    "WHERE ($1::text IS NULL OR caller = $1) AND ($2::text IS NULL OR action = $2) "
    "AND ($3::text IS NULL OR object = $3) AND ($4::text IS NULL OR outcome = $4) "
    "AND ($5::bigint IS NULL OR id < $5) ORDER BY id DESC LIMIT $6"};
constexpr Query prune_query{"cms.prune_audit", "SELECT prune_audit($1::bigint * interval '1 minute', $2)"};

AuditEntry to_entry(const pg::Row& row) {
    using Text = std::optional<std::string>;
    return {.id = row.get<std::int64_t>(0),
            .at = row.get<Timestamp>(1),
            .caller = row.get<Text>(2),
            .owner = row.get<Text>(3),
            .peer = row.get<std::string>(4),
            .action = row.get<std::string>(5),
            .object = row.get<Text>(6),
            .outcome = row.get<std::string>(7),
            .status = row.get<std::optional<int>>(8),
            .code = row.get<Text>(9),
            .request_id = row.get<std::string>(10),
            .left_out = row.get<int>(11)};
}

}  // namespace

asio::awaitable<Result<std::int64_t>> add_audit(pg::Connection& db, NewAudit in) {
    auto rows = co_await db.execute(add_query, params(in.caller, in.owner, in.peer, in.action, in.object, in.outcome,
                                                      in.status, in.code, in.request_id, in.left_out));
    if (!rows) co_return std::unexpected(domain_error(std::move(rows).error()));
    co_return (*rows)[0].get<std::int64_t>(0);
}

asio::awaitable<Result<void>> end_audit(pg::Connection& db, std::int64_t id, std::string outcome, int status,
                                        std::optional<std::string> code, std::optional<std::string> object) {
    auto done = co_await db.execute(end_query, params(id, outcome, status, code, object));
    if (!done) co_return std::unexpected(domain_error(std::move(done).error()));
    co_return Result<void>();
}

asio::awaitable<Result<std::vector<AuditEntry>>> list_audit(pg::Connection& db, AuditFilter filter) {
    auto rows = co_await db.execute(list_query, params(filter.caller, filter.action, filter.object, filter.outcome,
                                                       filter.before_id, filter.limit));
    if (!rows) co_return std::unexpected(std::move(rows).error());
    std::vector<AuditEntry> out;
    for (const auto row : *rows) out.push_back(to_entry(row));
    co_return out;
}

asio::awaitable<Result<int>> prune_audit(pg::Connection& db, std::chrono::minutes older_than, int batch) {
    auto rows = co_await db.execute(prune_query, params(older_than.count(), batch));
    if (!rows) co_return std::unexpected(std::move(rows).error());
    co_return (*rows)[0].get<int>(0);
}

}  // namespace toygres::cms
