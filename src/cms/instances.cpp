#include "cms/instances.hpp"

#include "cms/errors.hpp"

#include <fmt/format.h>

namespace toygres::cms {
namespace {

using pg::params;
using pg::Query;

#define TOYGRES_INSTANCE_COLUMNS                                                                                      \
    "id, user_name, k8s_name, namespace, state, health_status, message, postgres_version, storage_size_gb, "          \
    "use_load_balancer, check_interval_ms, external_ip, dns_name, create_orchestration_id, delete_orchestration_id, " \
    "instance_actor_orchestration_id, tags, created_by, created_at, updated_at, deleted_at, last_health_check_at, "   \
    "placement, owner "                                                                                               \
    "FROM instances "

constexpr Query reserve_query{
    "cms.reserve",
    "INSERT INTO instances (user_name, k8s_name, namespace, postgres_version, storage_size_gb, use_load_balancer, "
    "check_interval_ms, tags, create_orchestration_id, created_by, placement, owner) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) "
    "ON CONFLICT (user_name) WHERE state <> 'deleted' DO NOTHING RETURNING id"};
constexpr Query set_request{"cms.set_request", "SELECT set_config('toygres.request_id', $1, true)"};
constexpr Query find_live{"cms.find_live",
                          "SELECT " TOYGRES_INSTANCE_COLUMNS "WHERE user_name = $1 AND state <> 'deleted'"};
constexpr Query find_any{"cms.find_any", "SELECT " TOYGRES_INSTANCE_COLUMNS
                                         "WHERE user_name = $1 ORDER BY state = 'deleted', created_at DESC LIMIT 1"};
constexpr Query get_query{"cms.get", "SELECT " TOYGRES_INSTANCE_COLUMNS "WHERE id = $1"};
constexpr Query lock_query{"cms.lock_instance", "SELECT FROM instances WHERE id = $1 FOR UPDATE"};
constexpr Query lock_replication_query{"cms.lock_replication",
                                       "SELECT FROM replication WHERE instance_id = $1 FOR UPDATE"};

// By keyset: after one place in the order, never by counting rows.
#define TOYGRES_LIST_INSTANCES(KEY, TYPE, COMPARISON, DIRECTION)                                                  \
    "SELECT " TOYGRES_INSTANCE_COLUMNS                                                                            \
    "WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR health_status = $2) "                        \
    "AND ($3::text IS NULL OR starts_with(user_name, $3)) AND ($4::text IS NULL OR user_name LIKE $4) "           \
    "AND ($5::jsonb = '{}' OR tags @> $5::jsonb) AND ($6::text[] = '{}' OR tags ?& $6::text[]) "                  \
    "AND ($7::boolean OR state <> 'deleted') "                                                                    \
    "AND ($8::text IS NULL OR (" KEY ", id) " COMPARISON " ($8::" TYPE ", $9::uuid)) ORDER BY " KEY " " DIRECTION \
    ", id " DIRECTION " LIMIT $10"

constexpr Query list_queries[][2] = {
    {{"cms.list_by_name", TOYGRES_LIST_INSTANCES("user_name COLLATE \"C\"", "text", ">", "ASC")},
     {"cms.list_by_name_down", TOYGRES_LIST_INSTANCES("user_name COLLATE \"C\"", "text", "<", "DESC")}},
    {{"cms.list_oldest", TOYGRES_LIST_INSTANCES("date_trunc('milliseconds', created_at)", "timestamptz", ">", "ASC")},
     {"cms.list_newest", TOYGRES_LIST_INSTANCES("date_trunc('milliseconds', created_at)", "timestamptz", "<", "DESC")}},
    {{"cms.list_smallest", TOYGRES_LIST_INSTANCES("storage_size_gb", "integer", ">", "ASC")},
     {"cms.list_largest", TOYGRES_LIST_INSTANCES("storage_size_gb", "integer", "<", "DESC")}},
};
constexpr Query state_query{"cms.set_state", "SELECT set_instance_state($1, $2, $3, $4, $5, $6)"};
constexpr Query health_query{"cms.set_health", "SELECT set_instance_health($1, $2, $3, $4)"};
constexpr Query endpoint_query{"cms.set_endpoint",
                               "UPDATE instances SET external_ip = $2, dns_name = $3, ip_connection_string = $4, "
                               "dns_connection_string = $5 WHERE id = $1"};
constexpr Query orchestrations_query{
    "cms.set_orchestrations",
    "UPDATE instances SET delete_orchestration_id = coalesce($2, delete_orchestration_id), "
    "instance_actor_orchestration_id = coalesce($3, instance_actor_orchestration_id) WHERE id = $1"};
constexpr Query owner_query{"cms.set_owner", "SELECT set_instance_owner($1, $2, $3, $4)"};
constexpr Query tags_query{
    "cms.set_tags",
    "WITH present AS (SELECT id, tags FROM instances WHERE id = $1 FOR UPDATE), "
    "changed AS (UPDATE instances i SET tags = $2 FROM present p WHERE i.id = p.id AND p.tags <> $2 RETURNING i.id), "
    "noted AS (INSERT INTO instance_events (instance_id, event_type, message, metadata, actor, request_id) "
    "SELECT id, 'tags_change', 'its tags were changed', jsonb_build_object('before', tags, 'after', $2::jsonb), $3, $4 "
    "FROM changed JOIN present USING (id)) "
    "SELECT EXISTS (SELECT FROM changed) FROM present"};
constexpr Query remove_members_query{
    "cms.remove_members",
    "UPDATE members SET role = 'none', removed_at = clock_timestamp() WHERE instance_id = $1 AND removed_at IS NULL"};
constexpr Query record_health_query{
    "cms.record_health",
    "INSERT INTO instance_health_checks (instance_id, kind, status, postgres_version, response_time_ms, checks, "
    "failures, error_message) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"};
constexpr Query touch_health{"cms.touch_health",
                             "UPDATE instances SET last_health_check_at = clock_timestamp() WHERE id = $1"};
constexpr Query unmonitored_query{
    "cms.unmonitored",
    "SELECT i.id, i.k8s_name, i.namespace, i.check_interval_ms FROM instances i WHERE i.state = 'running' AND NOT "
    "EXISTS "
    "(SELECT FROM orchestrations o WHERE o.id = 'health-' || i.k8s_name AND o.finished_at IS NULL) LIMIT 500"};
constexpr Query partitions_query{"cms.partitions", "SELECT make_health_partitions($1)"};
constexpr Query prune_health_query{"cms.prune_health", "SELECT prune_health($1::bigint * interval '1 minute', $2)"};
constexpr Query put_sealed_query{"cms.put_sealed",
                                 "INSERT INTO sealed_secrets (instance_id, name, sealed) VALUES ($1, $2, $3)"};
constexpr Query get_sealed_query{"cms.get_sealed",
                                 "SELECT sealed FROM sealed_secrets WHERE instance_id = $1 AND name = $2"};
constexpr Query drop_sealed_query{"cms.drop_sealed", "DELETE FROM sealed_secrets WHERE instance_id = $1"};
constexpr Query timeline_query{
    "cms.timeline",
    "SELECT * FROM (SELECT at, what, nullif(change, ''), message, actor, request_id, operation_id FROM v_timeline "
    "WHERE instance_id = $1 ORDER BY at DESC LIMIT $2) t ORDER BY at"};

// "db-?x*" as LIKE has it.
std::string like_pattern(const std::string& glob) {
    std::string out;
    for (const char c : glob) {
        if (c == '%' || c == '_' || c == '\\') out += '\\';
        out += c == '*' ? '%' : c == '?' ? '_' : c;
    }
    return out;
}

Instance to_instance(const pg::Row& row) {
    return {.id = row.get<std::string>(0),
            .name = row.get<std::string>(1),
            .k8s_name = row.get<std::string>(2),
            .ns = row.get<std::string>(3),
            .state = row.get<std::string>(4),
            .health = row.get<std::string>(5),
            .message = row.get<std::optional<std::string>>(6),
            .postgres_version = row.get<std::string>(7),
            .storage_size_gb = row.get<int>(8),
            .use_load_balancer = row.get<bool>(9),
            .check_interval_ms = row.get<std::int64_t>(10),
            .external_ip = row.get<std::optional<std::string>>(11),
            .dns_name = row.get<std::optional<std::string>>(12),
            .create_orchestration_id = row.get<std::string>(13),
            .delete_orchestration_id = row.get<std::optional<std::string>>(14),
            .instance_actor_orchestration_id = row.get<std::optional<std::string>>(15),
            .tags = row.get<Json>(16),
            .created_by = row.get<std::string>(17),
            .owner = row.get<std::string>(23),
            .created_at = row.get<Timestamp>(18),
            .updated_at = row.get<Timestamp>(19),
            .deleted_at = row.get<std::optional<Timestamp>>(20),
            .last_health_check_at = row.get<std::optional<Timestamp>>(21),
            .placement = row.get<Json>(22)};
}

Result<Instance> single(Result<pg::Rows> rows, const std::string& what) {
    if (!rows) return std::unexpected(std::move(rows).error());
    if (rows->empty())
        return std::unexpected(
            Error{ErrorKind::not_found, "instance_not_found", fmt::format("there is no instance {}", what)});
    return to_instance((*rows)[0]);
}

// For statements whose rows do not matter.
asio::awaitable<Result<void>> change(pg::Connection& db, Query query, pg::Params params) {
    auto done = co_await db.execute(query, std::move(params));
    if (!done) co_return std::unexpected(domain_error(std::move(done).error()));
    co_return Result<void>();
}

}  // namespace

asio::awaitable<Result<std::string>> reserve_instance(pg::Connection& tx, NewInstance in, Actor actor) {
    auto answers = co_await tx.execute_all(
        {{set_request, params(actor.request_id)},
         {reserve_query,
          params(in.name, in.k8s_name, in.ns, in.postgres_version, in.storage_size_gb, in.use_load_balancer,
                 in.check_interval_ms, in.tags.is_null() ? Json::object() : in.tags, in.create_orchestration_id,
                 actor.name, in.placement.is_null() ? Json::object() : in.placement,
                 in.owner.empty() ? actor.name : in.owner)}});
    if (!answers) co_return std::unexpected(domain_error(std::move(answers).error()));
    const auto& made = (*answers)[1];
    if (!made.empty()) co_return made[0].get<std::string>(0);
    const auto holder = co_await find_instance(tx, in.name);
    const auto state = holder ? holder->state : std::string("being deleted");
    auto message = fmt::format("the name {} is taken by an instance that is {}", in.name, state);
    if (state == "failed") message += "; delete it to free the name";
    co_return std::unexpected(
        Error{ErrorKind::conflict, "name_taken", std::move(message), {{"field", "name"}, {"state", state}}});
}

asio::awaitable<Result<Instance>> find_instance(pg::Connection& db, std::string name, bool deleted_too) {
    auto rows = co_await db.execute(deleted_too ? find_any : find_live, params(name));
    co_return single(std::move(rows), name);
}

asio::awaitable<Result<Instance>> get_instance(pg::Connection& db, std::string id) {
    auto rows = co_await db.execute(get_query, params(id));
    co_return single(std::move(rows), id);
}

asio::awaitable<Result<void>> lock_instance(pg::Connection& tx, std::string id) {
    if (auto locked = co_await change(tx, lock_replication_query, params(id)); !locked) co_return locked;
    co_return co_await change(tx, lock_query, params(id));
}

InstancePlace place_of(const Instance& instance, InstanceSort sort) {
    switch (sort) {
        case InstanceSort::name:
            return {instance.name, instance.id};
        case InstanceSort::storage_size_gb:
            return {std::to_string(instance.storage_size_gb), instance.id};
        case InstanceSort::created_at:
            break;
    }
    return {format_rfc3339(instance.created_at), instance.id};
}

asio::awaitable<Result<std::vector<Instance>>> list_instances(pg::Connection& db, InstanceFilter filter) {
    const auto& query = list_queries[static_cast<std::size_t>(filter.sort)][filter.descending ? 1 : 0];
    const auto pattern = filter.name_glob ? std::optional(like_pattern(*filter.name_glob)) : std::nullopt;
    const bool deleted_too = filter.deleted_too || filter.state == "deleted";
    const auto key = filter.after ? std::optional(filter.after->key) : std::nullopt;
    const auto id = filter.after ? std::optional(filter.after->id) : std::nullopt;
    auto rows =
        co_await db.execute(query, params(filter.state, filter.health, filter.name_prefix, pattern, filter.tags,
                                          pg::array_literal(filter.tag_names), deleted_too, key, id, filter.limit));
    if (!rows) co_return std::unexpected(std::move(rows).error());
    std::vector<Instance> out;
    for (const auto row : *rows) out.push_back(to_instance(row));
    co_return out;
}

asio::awaitable<Result<bool>> set_state(pg::Connection& tx, std::string id, std::string state, Actor actor,
                                        std::optional<std::string> operation, std::string reason) {
    auto done = co_await tx.execute(
        state_query,
        params(id, state, actor.name, actor.request_id.empty() ? std::nullopt : std::optional(actor.request_id),
               operation, reason));
    if (!done) co_return std::unexpected(domain_error(std::move(done).error()));
    co_return (*done)[0].get<bool>(0);
}

asio::awaitable<Result<bool>> set_health(pg::Connection& tx, std::string id, std::string health, Actor actor,
                                         std::string reason) {
    auto done = co_await tx.execute(health_query, params(id, health, actor.name, reason));
    if (!done) co_return std::unexpected(domain_error(std::move(done).error()));
    co_return (*done)[0].get<bool>(0);
}

asio::awaitable<Result<void>> set_endpoint(pg::Connection& tx, std::string id, std::string address,
                                           std::string dns_name) {
    const auto url = [](const std::string& host) {
        return fmt::format("postgresql://postgres@{}:5432/postgres", host);
    };
    return change(tx, endpoint_query, params(id, address, dns_name, url(address), url(dns_name)));
}

asio::awaitable<Result<void>> set_orchestrations(pg::Connection& tx, std::string id,
                                                 std::optional<std::string> deletion,
                                                 std::optional<std::string> monitor) {
    return change(tx, orchestrations_query, params(id, deletion, monitor));
}

asio::awaitable<Result<bool>> set_owner(pg::Connection& tx, std::string id, std::string owner, Actor actor) {
    auto rows = co_await tx.execute(owner_query, params(id, owner, actor.name, actor.request_id));
    if (!rows) co_return std::unexpected(domain_error(std::move(rows).error()));
    co_return (*rows)[0].get<bool>(0);
}

asio::awaitable<Result<bool>> set_tags(pg::Connection& tx, std::string id, Json tags, Actor actor) {
    auto rows = co_await tx.execute(tags_query, params(id, tags, actor.name, actor.request_id));
    if (!rows) co_return std::unexpected(domain_error(std::move(rows).error()));
    if (rows->empty())
        co_return std::unexpected(
            Error{ErrorKind::not_found, "instance_not_found", fmt::format("there is no instance {}", id)});
    co_return (*rows)[0].get<bool>(0);
}

asio::awaitable<Result<void>> remove_members(pg::Connection& tx, std::string id) {
    return change(tx, remove_members_query, params(id));
}

asio::awaitable<Result<void>> record_health(pg::Connection& tx, std::string id, HealthRecord r) {
    if (auto done = co_await change(tx, record_health_query,
                                    params(id, r.kind, r.status, r.postgres_version, r.response_time_ms, r.checks,
                                           r.failures, r.error_message));
        !done)
        co_return done;
    co_return co_await change(tx, touch_health, params(id));
}

asio::awaitable<Result<std::vector<Unmonitored>>> list_unmonitored(pg::Connection& db) {
    auto rows = co_await db.execute(unmonitored_query);
    if (!rows) co_return std::unexpected(std::move(rows).error());
    std::vector<Unmonitored> out;
    for (const auto row : *rows)
        out.push_back(
            {row.get<std::string>(0), row.get<std::string>(1), row.get<std::string>(2), row.get<std::int64_t>(3)});
    co_return out;
}

asio::awaitable<Result<void>> make_health_partitions(pg::Connection& db, int days_ahead) {
    return change(db, partitions_query, params(days_ahead));
}

asio::awaitable<Result<int>> prune_health(pg::Connection& db, std::chrono::minutes older_than, int batch) {
    auto rows = co_await db.execute(prune_health_query, params(older_than.count(), batch));
    if (!rows) co_return std::unexpected(domain_error(std::move(rows).error()));
    co_return (*rows)[0].get<int>(0);
}

asio::awaitable<Result<void>> put_sealed(pg::Connection& tx, std::string id, std::string name, std::string sealed) {
    return change(tx, put_sealed_query, params(id, name, sealed));
}

asio::awaitable<Result<std::optional<std::string>>> get_sealed(pg::Connection& db, std::string id, std::string name) {
    auto rows = co_await db.execute(get_sealed_query, params(id, name));
    if (!rows) co_return std::unexpected(std::move(rows).error());
    co_return rows->empty() ? std::nullopt : std::optional((*rows)[0].get<std::string>(0));
}

asio::awaitable<Result<void>> drop_sealed(pg::Connection& tx, std::string id) {
    return change(tx, drop_sealed_query, params(id));
}

asio::awaitable<Result<std::vector<TimelineEntry>>> timeline(pg::Connection& db, std::string id, int limit) {
    auto rows = co_await db.execute(timeline_query, params(id, limit));
    if (!rows) co_return std::unexpected(std::move(rows).error());
    using Text = std::optional<std::string>;
    std::vector<TimelineEntry> out;
    for (const auto row : *rows)
        out.push_back({row.get<Timestamp>(0), row.get<std::string>(1), row.get<Text>(2), row.get<Text>(3),
                       row.get<Text>(4), row.get<Text>(5), row.get<Text>(6)});
    co_return out;
}

}  // namespace toygres::cms
