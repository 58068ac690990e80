#include "cms/inspection.hpp"

namespace toygres::cms {
namespace {

using pg::Query;

// A session over a unix socket has no server address. pg_settings shows the directory to those who may know it.
constexpr Query inspect_query{
    "cms.inspect",
    "SELECT current_setting('server_version'), current_setting('server_version_num')::int, "
    "(SELECT coalesce(max(number), 0) FROM schema_migrations), current_setting('fsync')::boolean, "
    "current_setting('full_page_writes')::boolean, current_setting('synchronous_commit'), pg_is_in_recovery(), "
    "pg_database_size(current_database()), (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client "
    "backend'), current_setting('max_connections')::int, CASE WHEN inet_server_addr() IS NULL THEN (SELECT setting "
    "FROM pg_settings WHERE name = 'data_directory') END, clock_timestamp()"};

}  // namespace

asio::awaitable<Result<DatabaseFacts>> inspect_database(pg::Connection& db) {
    auto rows = co_await db.execute(inspect_query);
    if (!rows) co_return std::unexpected(std::move(rows).error());
    const auto row = (*rows)[0];
    co_return DatabaseFacts{.version = row.get<std::string>(0),
                            .version_number = row.get<int>(1),
                            .schema_version = row.get<int>(2),
                            .fsync = row.get<bool>(3),
                            .full_page_writes = row.get<bool>(4),
                            .synchronous_commit = row.get<std::string>(5),
                            .in_recovery = row.get<bool>(6),
                            .size_bytes = row.get<std::int64_t>(7),
                            .connections = row.get<int>(8),
                            .connections_max = row.get<int>(9),
                            .local_data_directory = row.get<std::optional<std::string>>(10),
                            .now = row.get<Timestamp>(11)};
}

}  // namespace toygres::cms
