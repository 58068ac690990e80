#include "cms/events.hpp"

#include "cms/errors.hpp"

namespace toygres::cms {
namespace {

using pg::params;
using pg::Query;

constexpr Query add_query{
    "cms.add_event",
    "INSERT INTO instance_events (instance_id, event_type, message, actor, request_id) VALUES ($1, $2, $3, $4, $5)"};
constexpr Query add_once_query{
    "cms.add_event_once",
    "INSERT INTO instance_events (instance_id, event_type, message, metadata, actor, request_id) "
    "SELECT $1, $2, $3, $4, $5, $6 WHERE NOT EXISTS (SELECT FROM instance_events "
    "WHERE instance_id = $1 AND event_type = $2 AND metadata = $4)"};
constexpr Query since_query{
    "cms.timeline_since",
    "SELECT (extract(epoch FROM at) * 1000000)::bigint, at, what, nullif(change, ''), message, actor, request_id, "
    "operation_id FROM v_timeline WHERE instance_id = $1 "
    "AND at >= 'epoch'::timestamptz + $2::bigint * interval '1 microsecond' ORDER BY at, what LIMIT $3"};

}  // namespace

asio::awaitable<Result<void>> add_event(pg::Connection& db, std::string instance, std::string event_type,
                                        std::string message, Actor actor) {
    auto done = co_await db.execute(add_query,
                                    params(instance, event_type, message, actor.name,
                                           actor.request_id.empty() ? std::nullopt : std::optional(actor.request_id)));
    if (!done) co_return std::unexpected(domain_error(std::move(done).error()));
    co_return Result<void>();
}

asio::awaitable<Result<void>> add_event_once(pg::Connection& db, std::string instance, std::string event_type,
                                             std::string message, Json details, Actor actor) {
    auto done = co_await db.execute(add_once_query,
                                    params(instance, event_type, message, details, actor.name,
                                           actor.request_id.empty() ? std::nullopt : std::optional(actor.request_id)));
    if (!done) co_return std::unexpected(domain_error(std::move(done).error()));
    co_return Result<void>();
}

asio::awaitable<Result<std::vector<TimedEntry>>> timeline_since(pg::Connection& db, std::string id,
                                                                std::int64_t since_us, int limit) {
    auto rows = co_await db.execute(since_query, params(id, since_us, limit));
    if (!rows) co_return std::unexpected(std::move(rows).error());
    using Text = std::optional<std::string>;
    std::vector<TimedEntry> out;
    for (const auto row : *rows)
        out.push_back({row.get<std::int64_t>(0),
                       {row.get<Timestamp>(1), row.get<std::string>(2), row.get<Text>(3), row.get<Text>(4),
                        row.get<Text>(5), row.get<Text>(6), row.get<Text>(7)}});
    co_return out;
}

}  // namespace toygres::cms
