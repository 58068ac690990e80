#include "runtime/store/pg_store.hpp"

namespace toygres::runtime {
namespace {

constexpr pg::Query note_trial{"runtime.put_on_trial", "UPDATE workers SET on_trial = $2::text[] WHERE key = $1"};
// Each worker's note is taken once, whoever asks first. Nothing has moved on since: its shards' new owners ask before
// they run anything.
constexpr pg::Query count_deaths{
    "runtime.count_deaths",
    "WITH taken AS (UPDATE workers w SET on_trial = '{}' FROM (SELECT key, on_trial FROM workers WHERE key = ANY "
    "($1::bigint[]) AND on_trial <> '{}' ORDER BY key FOR UPDATE) AS noted WHERE w.key = noted.key RETURNING "
    "noted.on_trial), held AS (SELECT id, bool_or(cardinality(on_trial) = 1) AS alone FROM taken, unnest(on_trial) AS "
    "id GROUP BY id) INSERT INTO suspects AS s (orchestration, turn, deaths) SELECT id, o.next_event, 0 FROM held JOIN "
    "orchestrations o USING (id) ON CONFLICT (orchestration) DO UPDATE SET turn = excluded.turn, deaths = CASE WHEN "
    "s.turn <> excluded.turn THEN 0 WHEN (SELECT alone FROM held WHERE id = s.orchestration) THEN s.deaths + 1 ELSE "
    "s.deaths END"};
constexpr pg::Query all_suspects{"runtime.suspects", "SELECT orchestration, deaths FROM suspects"};
constexpr pg::Query forget_suspects{"runtime.acquit", "DELETE FROM suspects WHERE orchestration = ANY ($1::text[])"};

asio::awaitable<Result<void>> done(asio::awaitable<Result<pg::Rows>> statement) {
    auto rows = co_await std::move(statement);
    if (!rows) co_return std::unexpected(std::move(rows).error());
    co_return Result<void>();
}

}  // namespace

asio::awaitable<Result<void>> PgStore::put_on_trial(std::int64_t worker, std::vector<std::string> orchestrations) {
    return done(pool_->execute(note_trial, pg::params(worker, pg::array_literal(orchestrations))));
}

asio::awaitable<Result<std::vector<Suspect>>> PgStore::suspects(std::vector<std::int64_t> dead) {
    auto lease = co_await pool_->acquire();
    if (!lease) co_return std::unexpected(std::move(lease).error());
    std::vector<pg::Statement> statements;
    statements.push_back({count_deaths, pg::params(pg::array_literal(dead))});
    statements.push_back({all_suspects, {}});
    const auto answers = co_await (*lease)->execute_all(std::move(statements));
    if (!answers) co_return std::unexpected(answers.error());
    std::vector<Suspect> out;
    for (const auto row : (*answers)[1]) out.push_back({row.get<std::string>(0), row.get<int>(1)});
    co_return out;
}

asio::awaitable<Result<void>> PgStore::acquit(std::vector<std::string> orchestrations) {
    return done(pool_->execute(forget_suspects, pg::params(pg::array_literal(orchestrations))));
}

}  // namespace toygres::runtime
