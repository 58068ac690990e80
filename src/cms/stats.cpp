#include "cms/stats.hpp"

#include "cms/errors.hpp"

namespace toygres::cms {
namespace {

constexpr pg::Query stats_query{
    "cms.stats",
    "WITH live AS (SELECT * FROM instances WHERE state <> 'deleted'), "
    "open AS (SELECT name, status FROM orchestrations WHERE finished_at IS NULL), "
    "day AS (SELECT clock_timestamp() - interval '24 hours' AS began) "
    "SELECT jsonb_build_object("
    "'instances', (SELECT coalesce(jsonb_object_agg(state, n), '{}') FROM (SELECT state, count(*) AS n FROM instances "
    "GROUP BY state) s) || jsonb_build_object('total', (SELECT count(*) FROM live)), "
    "'health', (SELECT coalesce(jsonb_object_agg(health_status, n), '{}') FROM (SELECT health_status, count(*) AS n "
    "FROM live WHERE state = 'running' GROUP BY health_status) s), "
    "'storage', (SELECT jsonb_build_object('total_gb', coalesce(sum(storage_size_gb), 0), 'average_gb', "
    "coalesce(round(avg(storage_size_gb), 1), 0)) FROM live), "
    "'failovers_last_24h', (SELECT coalesce(jsonb_object_agg(result, n), '{}') FROM (SELECT CASE WHEN status IN "
    "('completed', 'failed') THEN status ELSE 'running' END AS result, count(*) AS n FROM failovers, day WHERE "
    "started_at > day.began GROUP BY 1) s), "
    "'operations', jsonb_build_object('running', (SELECT count(*) FROM operations WHERE state = 'running'), "
    "'oldest_running_seconds', (SELECT round(extract(epoch FROM clock_timestamp() - min(created_at))::numeric, "
    "3) FROM operations WHERE state = 'running'), "
    "'last_24h', (SELECT coalesce(jsonb_object_agg(state, n), '{}') FROM (SELECT state, count(*) AS n FROM operations, "
    "day WHERE created_at > day.began GROUP BY state) s)), "
    "'orchestrations', jsonb_build_object('running', (SELECT count(*) FROM open), "
    "'by_type', (SELECT coalesce(jsonb_object_agg(name, n), '{}') FROM (SELECT name, count(*) AS n FROM open GROUP BY "
    "name) s), "
    "'by_status', (SELECT coalesce(jsonb_object_agg(status, n), '{}') FROM (SELECT status, count(*) AS n FROM open "
    "GROUP BY status) s), "
    "'last_24h', (SELECT coalesce(jsonb_object_agg(status, n), '{}') FROM (SELECT status, count(*) AS n FROM "
    "orchestrations, day WHERE created_at > day.began GROUP BY status) s)), "
    "'servers', (SELECT coalesce(jsonb_agg(jsonb_build_object('name', name, 'worker', key, 'started_at', started_at) "
    "ORDER BY key), '[]') FROM workers WHERE left_at IS NULL AND heartbeat_at > clock_timestamp() - interval '30 "
    "seconds'), "
    "'schema_version', (SELECT coalesce(max(number), 0) FROM schema_migrations), 'time', clock_timestamp())"};

// What is counted by default, so that a figure of zero is there, too.
void complete(Counts& counts, std::initializer_list<const char*> names) {
    for (const auto* name : names) counts.emplace(name, 0);
}

}  // namespace

asio::awaitable<Result<Stats>> get_stats(pg::Connection& db) {
    auto rows = co_await db.execute(stats_query);
    if (!rows) co_return std::unexpected(domain_error(std::move(rows).error()));
    auto out = decode<Stats>((*rows)[0].get<Json>(0));
    complete(out.instances, {"creating", "running", "deleting", "deleted", "failed"});
    complete(out.health, {"healthy", "unhealthy", "unknown"});
    complete(out.failovers_last_24h, {"completed", "failed", "running"});
    complete(out.operations.last_24h, {"running", "succeeded", "failed", "cancelled"});
    co_return out;
}

}  // namespace toygres::cms
