#include "agent/confirm.hpp"

#include <fmt/format.h>

namespace toygres::agent {
namespace {

constexpr std::chrono::minutes checkpoint_limit{20};

}  // namespace

asio::awaitable<Result<bool>> sees_configuration(const Psql& psql, Orders orders, bool in_recovery) {
    const auto rows = co_await psql.run(
        fmt::format("SELECT current_setting('toygres.reign', true) IS NOT DISTINCT FROM {}\n"
                    "   AND current_setting('synchronous_standby_names') = {} AND pg_is_in_recovery() = {};\n",
                    sql_literal(reign_text(orders.reign)), sql_literal(synchronous_names(orders)), in_recovery));
    if (!rows) co_return std::unexpected(rows.error());
    co_return rows->starts_with('t');
}

asio::awaitable<Result<void>> arm_synchronous_commit(const Psql& psql) {
    const auto done = co_await psql.run("CHECKPOINT;\n", checkpoint_limit);
    if (!done) co_return std::unexpected(done.error());
    co_return Result<void>();
}

}  // namespace toygres::agent
