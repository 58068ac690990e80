#include "runtime/store/pg_queries.hpp"
#include "runtime/store/pg_store.hpp"

namespace toygres::runtime {
namespace {

// $1: the rules, a JSON list of as_json(). Each orchestration with the one for its type, or else the one for all.
#define TOYGRES_RULES                                                                                            \
    "WITH rules AS (SELECT * FROM jsonb_to_recordset($1::jsonb) AS r (name text, executions int, ended int)), "  \
    "ruled AS (SELECT o.*, r.executions AS kept, make_interval(mins => r.ended) AS lasts FROM orchestrations o " \
    "JOIN LATERAL (SELECT * FROM rules WHERE rules.name IN (o.name, '') ORDER BY rules.name = '' LIMIT 1) r ON true) "

constexpr pg::Query prune_turns{
    "runtime.prune_turns", TOYGRES_RULES
    "DELETE FROM history WHERE ctid = ANY (ARRAY(SELECT h.ctid FROM ruled o JOIN history h ON h.key = o.key AND "
    "h.execution <= o.execution - o.kept WHERE o.finished_at IS NULL AND o.execution > o.kept LIMIT $2))"};
// Locked, so that none of them begins anew meanwhile.
constexpr pg::Query choose_ended{
    "runtime.choose_ended", TOYGRES_RULES
    "SELECT o.key, o.id FROM orchestrations o JOIN ruled USING (key) WHERE o.finished_at <= now() - ruled.lasts AND "
    "NOT EXISTS (SELECT FROM orchestrations p WHERE p.id = o.parent AND p.finished_at IS NULL) "
    "ORDER BY o.finished_at LIMIT $2 FOR UPDATE OF o SKIP LOCKED"};
constexpr pg::Query prune_history{
    "runtime.prune_history",
    "DELETE FROM history WHERE key IN (SELECT (value ->> 0)::bigint FROM jsonb_array_elements($1::jsonb))"};
constexpr pg::Query prune_inbox{
    "runtime.prune_inbox",
    "DELETE FROM inbox WHERE orchestration IN (SELECT value ->> 1 FROM jsonb_array_elements($1::jsonb))"};
constexpr pg::Query prune_rows{
    "runtime.prune_rows",
    "DELETE FROM orchestrations WHERE key IN (SELECT (value ->> 0)::bigint FROM jsonb_array_elements($1::jsonb))"};

constexpr pg::Query prune_answers{
    "runtime.prune_answers",
    "DELETE FROM answers WHERE ctid = ANY (ARRAY(SELECT ctid FROM answers WHERE at < now() - interval '1 hour' LIMIT "
    "$1))"};

Json as_json(const std::vector<Retention>& rules) {
    Json out = Json::array();
    for (const auto& rule : rules)
        out.push_back({{"name", rule.name}, {"executions", rule.executions}, {"ended", rule.ended.count()}});
    return out;
}

asio::awaitable<Result<std::int64_t>> prune_ended(pg::Connection& tx, const Json& rules, int most) {
    const auto chosen = co_await tx.execute(choose_ended, pg::params(rules.dump(), most));
    if (!chosen) co_return std::unexpected(chosen.error());
    if (chosen->empty()) co_return 0;
    Json gone = Json::array();
    for (const auto& row : *chosen) gone.push_back({row.get<std::int64_t>(0), row.get<std::string>(1)});
    for (const auto& query : {prune_inbox, prune_history, prune_rows})
        if (auto done = co_await tx.execute(query, pg::params(gone.dump())); !done)
            co_return std::unexpected(std::move(done).error());
    co_return static_cast<std::int64_t>(gone.size());
}

}  // namespace

asio::awaitable<Result<Pruned>> PgStore::prune(std::vector<Retention> rules, int most) {
    const auto text = as_json(rules);
    auto lease = co_await pool_->acquire();
    if (!lease) co_return std::unexpected(std::move(lease).error());
    auto& tx = **lease;
    if (auto begun = co_await tx.run("BEGIN"); !begun) co_return std::unexpected(std::move(begun).error());
    const auto turns = co_await tx.execute(prune_turns, pg::params(text.dump(), most));
    auto ended = turns ? co_await prune_ended(tx, text, most) : std::unexpected(turns.error());
    if (ended)
        if (auto done = co_await tx.execute(prune_answers, pg::params(most)); !done)
            ended = std::unexpected(std::move(done).error());
    const auto closed = co_await tx.run(ended ? "COMMIT" : "ROLLBACK");
    if (!ended) co_return std::unexpected(std::move(ended).error());
    if (!closed) co_return std::unexpected(closed.error());
    co_return Pruned{.turns = static_cast<std::int64_t>(turns->affected()), .orchestrations = *ended};
}

}  // namespace toygres::runtime
