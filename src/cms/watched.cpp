#include "cms/watched.hpp"

#include "cms/errors.hpp"

#include <fmt/format.h>

namespace toygres::cms {
namespace {

constexpr pg::Query get_query{
    "cms.get_watched",
    "SELECT i.user_name, i.state, i.postgres_version, i.storage_size_gb, i.use_load_balancer, i.placement, r.record, "
    "r.policy, r.request, r.blocked, r.updated_at, clock_timestamp(), i.replication_lag_bytes, "
    "i.last_replication_check_at, r.alerts, coalesce((SELECT (f.value #>> '{}')::boolean FROM fleet_settings f WHERE "
    "f.name = 'automatic_failover' ORDER BY f.id DESC LIMIT 1), true) FROM instances i JOIN replication r ON "
    "r.instance_id = i.id WHERE i.id = $1"};

}  // namespace

asio::awaitable<Result<WatchedInstance>> get_watched(pg::Connection& db, std::string instance) {
    auto rows = co_await db.execute(get_query, pg::params(instance));
    if (!rows) co_return std::unexpected(domain_error(std::move(rows).error()));
    if (rows->empty())
        co_return std::unexpected(
            Error{ErrorKind::not_found, "instance_not_found", fmt::format("there is no instance {}", instance)});
    const auto row = (*rows)[0];
    co_return WatchedInstance{.name = row.get<std::string>(0),
                              .state = row.get<std::string>(1),
                              .postgres_version = row.get<std::string>(2),
                              .storage_size_gb = row.get<int>(3),
                              .use_load_balancer = row.get<bool>(4),
                              .placement = row.get<Json>(5),
                              .replication = {.record = row.get<Json>(6),
                                              .policy = row.get<Json>(7),
                                              .request = row.get<Json>(8),
                                              .blocked = row.get<std::optional<std::string>>(9),
                                              .updated_at = row.get<Timestamp>(10),
                                              .read_at = row.get<Timestamp>(11),
                                              .lag_bytes = row.get<std::optional<std::int64_t>>(12),
                                              .checked_at = row.get<std::optional<Timestamp>>(13),
                                              .alerts = row.get<Json>(14)},
                              .automatic_failover = row.get<bool>(15)};
}

}  // namespace toygres::cms
