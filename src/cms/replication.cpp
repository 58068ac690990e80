#include "cms/replication.hpp"

#include "cms/errors.hpp"

#include <fmt/format.h>

namespace toygres::cms {
namespace {

using pg::params;
using pg::Query;

constexpr Query insert_query{"cms.insert_replication",
                             "INSERT INTO replication (instance_id, record, policy) VALUES ($1, $2, $3)"};
constexpr Query insert_members_query{
    "cms.insert_members",
    "INSERT INTO members (instance_id, ordinal, name, role) SELECT $1, n, m, CASE WHEN n = 1 THEN 'primary' ELSE "
    "'replica' END FROM jsonb_array_elements_text($2::jsonb) WITH ORDINALITY AS t (m, n)"};
constexpr Query get_query{
    "cms.get_replication",
    "SELECT r.record, r.policy, r.request, r.blocked, r.updated_at, i.replication_lag_bytes, r.alerts, "
    "i.last_replication_check_at, clock_timestamp() FROM replication r JOIN instances i ON i.id = r.instance_id WHERE "
    "r.instance_id = $1"};
constexpr Query advance_query{"cms.advance_replication",
                              "SELECT advance_replication($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"};
constexpr Query event_query{"cms.replication_event",
                            "INSERT INTO replication_events (instance_id, event_type, message, metadata, actor, "
                            "operation_id) VALUES ($1, $2, $3, $4, $5, $6)"};
constexpr Query blocked_query{
    "cms.set_blocked",
    "UPDATE replication SET blocked = $2 WHERE instance_id = $1 AND blocked IS DISTINCT FROM $2 RETURNING instance_id"};
constexpr Query lag_query{"cms.set_replication_lag",
                          "UPDATE instances SET replication_lag_bytes = $2, last_replication_check_at = "
                          "clock_timestamp() WHERE id = $1"};
constexpr Query alerts_query{"cms.set_alerts", "UPDATE replication SET alerts = $2 WHERE instance_id = $1"};
constexpr Query policy_query{"cms.change_policy",
                             "UPDATE replication SET policy = policy || $2 WHERE instance_id = $1"};
constexpr Query get_fleet_query{"cms.get_fleet_failover",
                                "SELECT (value #>> '{}')::boolean, reason, actor, created_at FROM fleet_settings WHERE "
                                "name = 'automatic_failover' ORDER BY id DESC LIMIT 1"};
constexpr Query set_fleet_query{"cms.set_fleet_failover",
                                "INSERT INTO fleet_settings (name, value, reason, actor, request_id) VALUES "
                                "('automatic_failover', to_jsonb($1::boolean), $2, $3, $4)"};
constexpr Query blocked_monitors_query{
    "cms.blocked_monitors",
    "SELECT i.instance_actor_orchestration_id FROM instances i JOIN replication r ON r.instance_id = i.id WHERE "
    "i.state = 'running' AND r.blocked IS NOT NULL AND i.instance_actor_orchestration_id IS NOT NULL"};
constexpr Query figures_query{
    "cms.replication_figures",
    "SELECT i.user_name, i.k8s_name, i.postgres_version, i.state, i.health_status, i.last_health_check_at, r.state, "
    "r.epoch, r.record -> 'members', r.record ->> 'primary', r.failover_safe, r.blocked IS NOT NULL, "
    "i.replication_lag_bytes, r.alerts FROM instances i JOIN replication r ON r.instance_id = i.id WHERE i.state <> "
    "'deleted' ORDER BY i.k8s_name"};
constexpr Query count_failovers_query{
    "cms.count_failovers", "SELECT kind, status, count(*) FROM failovers GROUP BY kind, status ORDER BY 1, 2"};
constexpr Query put_request_query{
    "cms.put_request",
    "UPDATE replication SET request = $2 WHERE instance_id = $1 AND request IS NULL RETURNING instance_id"};
constexpr Query clear_request_query{"cms.clear_request",
                                    "UPDATE replication SET request = NULL WHERE instance_id = $1"};
constexpr Query begin_failover_query{
    "cms.begin_failover",
    "INSERT INTO failovers (id, instance_id, kind, status, old_primary, new_primary, epoch, reason, operation_id, "
    "inputs, steps) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, "
    "jsonb_build_array(jsonb_build_object('status', $4::text, 'at', clock_timestamp())))"};
constexpr Query move_failover_query{
    "cms.move_failover",
    "UPDATE failovers SET status = $2, new_primary = coalesce($3, new_primary), epoch = $4, data_loss_bytes = "
    "coalesce($5, data_loss_bytes), steps = steps || jsonb_build_object('status', $2::text, 'at', clock_timestamp()), "
    "completed_at = CASE WHEN $2 IN ('completed', 'failed') THEN clock_timestamp() END "
    "WHERE id = $1 AND completed_at IS NULL"};
constexpr Query give_up_failovers_query{
    "cms.give_up_failovers",
    "UPDATE failovers SET status = 'failed', steps = steps || jsonb_build_object('status', 'failed', 'at', "
    "clock_timestamp()), completed_at = clock_timestamp() WHERE instance_id = $1 AND completed_at IS NULL"};
constexpr Query list_failovers_query{
    "cms.list_failovers",
    "SELECT id, kind, status, old_primary, new_primary, epoch, reason, data_loss_bytes, steps, started_at, "
    "completed_at FROM failovers WHERE instance_id = $1 ORDER BY started_at DESC LIMIT $2"};

asio::awaitable<Result<pg::Rows>> run(pg::Connection& db, Query query, pg::Params params) {
    auto done = co_await db.execute(query, std::move(params));
    if (!done) co_return std::unexpected(domain_error(std::move(done).error()));
    co_return done;
}

asio::awaitable<Result<void>> change(pg::Connection& db, Query query, pg::Params params) {
    auto done = co_await run(db, query, std::move(params));
    if (!done) co_return std::unexpected(std::move(done).error());
    co_return Result<void>();
}

}  // namespace

asio::awaitable<Result<void>> insert_replication(pg::Connection& tx, std::string instance, Json record, Json policy) {
    const auto members = record.at("members");
    if (auto made = co_await change(tx, insert_query, params(instance, record, policy)); !made) co_return made;
    co_return co_await change(tx, insert_members_query, params(instance, members));
}

asio::awaitable<Result<Replication>> get_replication(pg::Connection& db, std::string instance) {
    auto rows = co_await run(db, get_query, params(instance));
    if (!rows) co_return std::unexpected(std::move(rows).error());
    if (rows->empty())
        co_return std::unexpected(Error{ErrorKind::not_found, "replication_not_found",
                                        fmt::format("instance {} has no replication record", instance)});
    const auto row = (*rows)[0];
    co_return Replication{.record = row.get<Json>(0),
                          .policy = row.get<Json>(1),
                          .request = row.get<Json>(2),
                          .blocked = row.get<std::optional<std::string>>(3),
                          .updated_at = row.get<Timestamp>(4),
                          .read_at = row.get<Timestamp>(8),
                          .lag_bytes = row.get<std::optional<std::int64_t>>(5),
                          .checked_at = row.get<std::optional<Timestamp>>(7),
                          .alerts = row.get<Json>(6)};
}

asio::awaitable<Result<bool>> advance_replication(pg::Connection& tx, std::string instance, ReplicationChange in) {
    auto rows = co_await run(tx, advance_query,
                             params(instance, in.seen_state, in.seen_epoch, in.seen_revision, in.record, in.event,
                                    in.actor, in.operation, in.reason, in.evidence));
    if (!rows) co_return std::unexpected(std::move(rows).error());
    co_return (*rows)[0].get<bool>(0);
}

asio::awaitable<Result<void>> add_replication_event(pg::Connection& tx, std::string instance, std::string event,
                                                    std::string message, Json metadata, std::string actor,
                                                    std::optional<std::string> operation) {
    co_return co_await change(tx, event_query, params(instance, event, message, metadata, actor, operation));
}

asio::awaitable<Result<bool>> set_blocked(pg::Connection& tx, std::string instance, std::optional<std::string> reason) {
    auto rows = co_await run(tx, blocked_query, params(instance, reason));
    if (!rows) co_return std::unexpected(std::move(rows).error());
    co_return !rows->empty();
}

asio::awaitable<Result<void>> set_alerts(pg::Connection& tx, std::string instance, Json alerts) {
    co_return co_await change(tx, alerts_query, params(instance, alerts));
}

asio::awaitable<Result<void>> change_policy(pg::Connection& tx, std::string instance, Json changes) {
    co_return co_await change(tx, policy_query, params(instance, changes));
}

asio::awaitable<Result<FleetFailover>> get_fleet_failover(pg::Connection& db) {
    auto rows = co_await run(db, get_fleet_query, {});
    if (!rows) co_return std::unexpected(std::move(rows).error());
    if (rows->empty()) co_return FleetFailover{};
    const auto row = (*rows)[0];
    co_return FleetFailover{row.get<bool>(0), row.get<std::string>(1), row.get<std::string>(2), row.get<Timestamp>(3)};
}

asio::awaitable<Result<void>> set_fleet_failover(pg::Connection& tx, bool automatic, std::string reason,
                                                 std::string actor, std::string request_id) {
    co_return co_await change(tx, set_fleet_query, params(automatic, reason, actor, request_id));
}

asio::awaitable<Result<std::vector<std::string>>> blocked_monitors(pg::Connection& db) {
    auto rows = co_await run(db, blocked_monitors_query, {});
    if (!rows) co_return std::unexpected(std::move(rows).error());
    std::vector<std::string> out;
    for (const auto row : *rows) out.push_back(row.get<std::string>(0));
    co_return out;
}

asio::awaitable<Result<std::vector<ReplicationFigures>>> replication_figures(pg::Connection& db) {
    auto rows = co_await run(db, figures_query, {});
    if (!rows) co_return std::unexpected(std::move(rows).error());
    std::vector<ReplicationFigures> out;
    for (const auto row : *rows)
        out.push_back({.instance = row.get<std::string>(0),
                       .k8s_name = row.get<std::string>(1),
                       .postgres_version = row.get<std::string>(2),
                       .instance_state = row.get<std::string>(3),
                       .health = row.get<std::string>(4),
                       .last_health_check_at = row.get<std::optional<Timestamp>>(5),
                       .state = row.get<std::string>(6),
                       .epoch = row.get<std::int64_t>(7),
                       .members = row.get<Json>(8).get<std::vector<std::string>>(),
                       .primary = row.get<std::optional<std::string>>(9).value_or(""),
                       .failover_safe = row.get<bool>(10),
                       .blocked = row.get<bool>(11),
                       .lag_bytes = row.get<std::optional<std::int64_t>>(12),
                       .alerts = row.get<Json>(13)});
    co_return out;
}

asio::awaitable<Result<std::vector<FailoverCount>>> count_failovers(pg::Connection& db) {
    auto rows = co_await run(db, count_failovers_query, {});
    if (!rows) co_return std::unexpected(std::move(rows).error());
    std::vector<FailoverCount> out;
    for (const auto row : *rows)
        out.push_back({row.get<std::string>(0), row.get<std::string>(1), row.get<std::int64_t>(2)});
    co_return out;
}

asio::awaitable<Result<void>> set_replication_lag(pg::Connection& tx, std::string instance,
                                                  std::optional<std::int64_t> bytes) {
    co_return co_await change(tx, lag_query, params(instance, bytes));
}

asio::awaitable<Result<void>> put_request(pg::Connection& tx, std::string instance, Json request) {
    auto rows = co_await run(tx, put_request_query, params(instance, request));
    if (!rows) co_return std::unexpected(std::move(rows).error());
    if (rows->empty())
        co_return std::unexpected(Error{ErrorKind::conflict, "request_pending",
                                        "another change of this instance is about to begin; try again after it"});
    co_return Result<void>();
}

asio::awaitable<Result<void>> clear_request(pg::Connection& tx, std::string instance) {
    co_return co_await change(tx, clear_request_query, params(instance));
}

asio::awaitable<Result<void>> begin_failover(pg::Connection& tx, std::string instance, FailoverRow row) {
    co_return co_await change(tx, begin_failover_query,
                              params(row.id, instance, row.kind, row.status, row.old_primary, row.new_primary,
                                     row.epoch, row.reason, row.operation, row.inputs));
}

asio::awaitable<Result<void>> move_failover(pg::Connection& tx, std::string id, std::string status,
                                            std::optional<std::string> new_primary, std::int64_t epoch,
                                            std::optional<std::int64_t> data_loss_bytes) {
    co_return co_await change(tx, move_failover_query, params(id, status, new_primary, epoch, data_loss_bytes));
}

asio::awaitable<Result<void>> give_up_failovers(pg::Connection& tx, std::string instance) {
    co_return co_await change(tx, give_up_failovers_query, params(instance));
}

asio::awaitable<Result<std::vector<Failover>>> list_failovers(pg::Connection& db, std::string instance, int limit) {
    auto rows = co_await run(db, list_failovers_query, params(instance, limit));
    if (!rows) co_return std::unexpected(std::move(rows).error());
    std::vector<Failover> out;
    for (const auto row : *rows)
        out.push_back({.id = row.get<std::string>(0),
                       .kind = row.get<std::string>(1),
                       .status = row.get<std::string>(2),
                       .old_primary = row.get<std::optional<std::string>>(3),
                       .new_primary = row.get<std::optional<std::string>>(4),
                       .epoch = row.get<std::optional<std::int64_t>>(5),
                       .reason = row.get<std::optional<std::string>>(6),
                       .data_loss_bytes = row.get<std::optional<std::int64_t>>(7),
                       .steps = row.get<Json>(8),
                       .started_at = row.get<Timestamp>(9),
                       .completed_at = row.get<std::optional<Timestamp>>(10)});
    co_return out;
}

}  // namespace toygres::cms
