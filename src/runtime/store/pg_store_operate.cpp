// What operators do: look for orchestrations, count them, begin them again.
#include "runtime/store/pg_queries.hpp"
#include "runtime/store/pg_store.hpp"

#include <fmt/format.h>

namespace toygres::runtime {
namespace {

using pg::array_literal;
using pg::params;

// One condition for each member of a filter; $8 is the cursor.
#define TOYGRES_FILTER                                                                                    \
    "WHERE ($1::text IS NULL OR id = $1) AND ($2::text IS NULL OR starts_with(id, $2)) "                  \
    "AND ($3::text IS NULL OR name = $3) AND ($4::text IS NULL OR status = $4) "                          \
    "AND ($5::timestamptz IS NULL OR created_at >= $5) AND ($6::timestamptz IS NULL OR created_at < $6) " \
    "AND ($7::jsonb IS NULL OR (tags <> '{}' AND tags @> $7)) "
constexpr pg::Query list_rows{"runtime.list", "SELECT " TOYGRES_ROW_COLUMNS TOYGRES_FILTER
                                              "AND ($8::bigint = 0 OR key < $8) ORDER BY key DESC LIMIT $9::integer"};
constexpr pg::Query count_rows{"runtime.count", "SELECT name, status, count(*) FROM orchestrations " TOYGRES_FILTER
                                                "GROUP BY name, status ORDER BY name, status"};
#undef TOYGRES_FILTER

// Signals to what runs; an ended one is left alone.
constexpr pg::Query send_if_open{
    "runtime.send_if_open",
    "INSERT INTO inbox (shard, orchestration, kind, name, payload, dedup_key) SELECT shard, id, 'signal', $2, $3, $4 "
    "FROM orchestrations WHERE id = $1 AND finished_at IS NULL ON CONFLICT (orchestration, dedup_key) DO NOTHING"};

constexpr pg::Query begin_again{
    "runtime.begin_again",
    "UPDATE orchestrations SET execution = execution + 1, next_event = $3, output = NULL, error = NULL, "
    "version = CASE WHEN $3::bigint > 1 THEN version END, custom_status = $4, status = CASE WHEN $3::bigint = 1 THEN "
    "'pending' ELSE 'running' END, finished_at = NULL, "
    "updated_at = clock_timestamp() WHERE key = $1 AND execution = $2 AND finished_at IS NOT NULL RETURNING shard"};
constexpr pg::Query send_again{
    "runtime.send_again",
    "INSERT INTO inbox (shard, orchestration, kind, name, payload, dedup_key) SELECT $1, $2, s.* "
    "FROM unnest($3::text[], $4::text[], $5::jsonb[], $6::text[]) AS s (kind, name, payload, dedup_key) "
    "ON CONFLICT (orchestration, dedup_key) DO NOTHING"};
constexpr pg::Query find_answer_to{"runtime.find_answer",
                                   "SELECT answer FROM answers WHERE orchestration = $1 AND request = $2"};
constexpr pg::Query note_start{"runtime.note_start",
                               "INSERT INTO inbox (shard, orchestration, kind) VALUES ($1, $2, 'start')"};
// $1: the parent's id, $2: its execution that ended, $3: the events of the commands.
#define TOYGRES_CHILDREN "parent = $1 AND parent_execution = $2 AND parent_event = ANY ($3::bigint[]) AND NOT detached "
constexpr pg::Query running_child{
    "runtime.running_child", "SELECT id FROM orchestrations WHERE " TOYGRES_CHILDREN "AND finished_at IS NULL LIMIT 1"};
constexpr pg::Query tell_of_completed{
    "runtime.tell_of_completed",
    "INSERT INTO inbox (shard, orchestration, kind, execution, event, payload, dedup_key) "
    "SELECT $4, $1, 'child_completed', $2 + 1, parent_event, output, 'child/' || $2 + 1 || '/' || parent_event "
    "FROM orchestrations WHERE " TOYGRES_CHILDREN "AND status = 'completed'"};
constexpr pg::Query children_again{
    "runtime.children_again",
    "WITH again AS (UPDATE orchestrations SET execution = execution + 1, version = NULL, next_event = 1, "
    "output = NULL, error = NULL, custom_status = NULL, status = 'pending', finished_at = NULL, "
    "updated_at = clock_timestamp() WHERE " TOYGRES_CHILDREN
    "AND finished_at IS NOT NULL AND status <> 'completed' RETURNING shard, id) "
    "INSERT INTO inbox (shard, orchestration, kind) SELECT shard, id, 'start' FROM again"};
constexpr pg::Query rebind_children{"runtime.rebind_children",
                                    "UPDATE orchestrations SET parent_execution = $2 + 1 WHERE " TOYGRES_CHILDREN};
#undef TOYGRES_CHILDREN

pg::Params filter_params(const OrchestrationFilter& filter) {
    return params(filter.id, filter.id_prefix, filter.name,
                  filter.status ? std::optional(enum_name(*filter.status)) : std::nullopt, filter.created_after,
                  filter.created_before,
                  filter.tags.empty() ? std::nullopt : std::optional(pg::json_text(filter.tags)));
}

std::optional<std::string> json_or_null(const Json& value) {
    return value.is_null() ? std::nullopt : std::optional(pg::json_text(value));
}

std::optional<std::string> key_or_null(const std::string& key) {
    return key.empty() ? std::nullopt : std::optional(key);
}

asio::awaitable<Result<void>> reset_in(pg::Connection& tx, const Reset& reset) {
    const auto begun = co_await tx.execute(
        begin_again, params(reset.key, reset.execution, reset.next_event, json_or_null(reset.custom_status)));
    if (!begun) co_return std::unexpected(begun.error());
    if (begun->empty()) co_return std::unexpected(orchestration_changed(reset.id));
    const auto shard = (*begun)[0].get<int>(0);
    const auto children = array_literal(reset.children);
    const auto running = co_await tx.execute(running_child, params(reset.id, reset.execution, children));
    if (!running) co_return std::unexpected(running.error());
    if (!running->empty()) co_return std::unexpected(children_running(reset.id, (*running)[0].get<std::string>(0)));
    for (const auto& child : reset.of_children)
        if (auto done = co_await reset_in(tx, child); !done) co_return done;

    std::vector<std::int64_t> keys(reset.rows.size(), reset.key);
    std::vector<std::int64_t> executions;
    std::vector<std::int64_t> firsts;
    std::vector<std::string> events;
    for (const auto& row : reset.rows) {
        executions.push_back(row.execution);
        firsts.push_back(row.first_event);
        events.push_back(row.events);
    }
    std::vector<std::string> kinds;
    std::vector<std::string> names;
    std::vector<std::optional<std::string>> payloads;
    std::vector<std::optional<std::string>> dedup_keys;
    for (const auto& signal : reset.signals) {
        kinds.push_back(enum_name(signal.kind));
        names.push_back(signal.name);
        payloads.push_back(json_or_null(signal.payload));
        dedup_keys.push_back(key_or_null(signal.dedup_key));
    }
    std::vector<pg::Statement> statements;
    statements.push_back({queries::add_history, params(array_literal(keys), array_literal(executions),
                                                       array_literal(firsts), array_literal(events))});
    statements.push_back({note_start, params(shard, reset.id)});
    statements.push_back({send_again, params(shard, reset.id, array_literal(kinds), array_literal(names),
                                             array_literal(payloads), array_literal(dedup_keys))});
    statements.push_back({tell_of_completed, params(reset.id, reset.execution, children, shard)});
    statements.push_back({children_again, params(reset.id, reset.execution, children)});
    statements.push_back({rebind_children, params(reset.id, reset.execution, children)});
    const auto done = co_await tx.execute_all(std::move(statements));
    if (!done) co_return std::unexpected(done.error());
    co_return Result<void>();
}

}  // namespace

asio::awaitable<Result<std::optional<Json>>> PgStore::find_answer(std::string orchestration, std::string request) {
    const auto found = co_await pool_->execute(find_answer_to, params(orchestration, request));
    if (!found) co_return std::unexpected(found.error());
    co_return found->empty() ? std::nullopt : std::optional((*found)[0].get<Json>(0));
}

asio::awaitable<Result<std::vector<OrchestrationRow>>> PgStore::list(OrchestrationFilter filter) {
    auto wanted = filter_params(filter);
    for (auto& value : params(filter.after_key, filter.limit)) wanted.push_back(std::move(value));
    auto rows = co_await pool_->execute(list_rows, std::move(wanted));
    if (!rows) co_return std::unexpected(std::move(rows).error());
    std::vector<OrchestrationRow> out;
    for (const auto row : *rows) out.push_back(queries::to_orchestration(row));
    co_return out;
}

asio::awaitable<Result<std::vector<StatusCount>>> PgStore::count(OrchestrationFilter filter) {
    const auto rows = co_await pool_->execute(count_rows, filter_params(filter));
    if (!rows) co_return std::unexpected(rows.error());
    std::vector<StatusCount> out;
    for (const auto row : *rows)
        out.push_back({row.get<std::string>(0), enum_from<Status>(row.text(1)).value_or(Status::stuck),
                       row.get<std::int64_t>(2)});
    co_return out;
}

asio::awaitable<Result<StartOutcome>> PgStore::signal_with_start(StartRequest request, Message signal) {
    // Whether it runs already is no error of the start.
    if (request.on_conflict == OnConflict::fail) request.on_conflict = OnConflict::use_existing;
    auto lease = co_await pool_->acquire();
    if (!lease) co_return std::unexpected(std::move(lease).error());
    std::vector<pg::Statement> statements;
    statements.push_back({queries::start, queries::start_params(request)});
    statements.push_back({queries::find_start, queries::find_start_params(request)});
    statements.push_back(
        {send_if_open, params(request.id, signal.name, json_or_null(signal.payload), key_or_null(signal.dedup_key))});
    const auto answers = co_await (*lease)->execute_all(std::move(statements));
    if (!answers) co_return std::unexpected(answers.error());
    auto outcome = queries::start_outcome(request, (*answers)[0], (*answers)[1]);
    if (outcome && is_finished(outcome->status)) co_return std::unexpected(orchestration_finished(request.id));
    co_return outcome;
}

asio::awaitable<Result<void>> PgStore::reset(Reset reset) {
    auto lease = co_await pool_->acquire();
    if (!lease) co_return std::unexpected(std::move(lease).error());
    auto& tx = **lease;
    if (auto begun = co_await tx.begin(); !begun) co_return std::unexpected(std::move(begun).error());
    auto done = co_await reset_in(tx, reset);
    if (!done) {
        co_await tx.rollback();
        co_return done;
    }
    if (auto committed = co_await tx.commit(); !committed) co_return std::unexpected(std::move(committed).error());
    co_return Result<void>();
}

}  // namespace toygres::runtime
