#include "fleet/load.hpp"

#include "base/file.hpp"
#include "support/measure.hpp"

#include <fmt/format.h>
#include <pqxx/pqxx>

#include <cmath>
#include <numeric>
#include <sstream>

namespace toygres::bench {
namespace {

// Tables of the runtime; all others are the product's.
constexpr const char* rows_query =
    "SELECT coalesce(sum(n) FILTER (WHERE runtime), 0), coalesce(sum(n) FILTER (WHERE NOT runtime), 0) FROM ("
    "SELECT relname IN ('workers', 'shards', 'orchestrations', 'history', 'inbox', 'commit_lanes', 'suspects', "
    "'answers')"
    " AS runtime, n_tup_ins + n_tup_upd + n_tup_del AS n FROM pg_stat_user_tables WHERE schemaname = 'toygres_cms') t";

double memory_mb_of(pid_t pid) {
    std::istringstream status(read_file(fmt::format("/proc/{}/status", pid)).value_or(""));
    for (std::string word; status >> word;)
        if (double kilobytes = 0; word == "VmRSS:" && status >> kilobytes) return kilobytes / 1'024;
    return 0;
}

}  // namespace

double Load::late_ms(double fraction) const {
    const auto all = std::accumulate(late.begin(), late.end(), std::int64_t{0});
    auto left = static_cast<std::int64_t>(std::ceil(fraction * static_cast<double>(all)));
    for (std::size_t ms = 0; ms < late.size(); ++ms)
        if ((left -= late[ms]) <= 0) return static_cast<double>(ms);
    return static_cast<double>(late.size());
}

Load operator-(Load after, const Load& before) {
    for (auto member :
         {&Load::server_cpu_s, &Load::cms_cpu_s, &Load::world_cpu_s, &Load::checks, &Load::asks, &Load::words,
          &Load::agent_sessions, &Load::postgres_sessions, &Load::business_rows, &Load::runtime_rows})
        after.*member -= before.*member;
    for (std::size_t ms = 0; ms < after.late.size(); ++ms) after.late[ms] -= before.late[ms];
    return after;
}

Load load_of(const Watched& watched, const Sight& sight) {
    pqxx::connection connection(watched.conninfo);
    const auto rows = pqxx::nontransaction(connection).exec1(rows_query);
    Load out{.server_cpu_s = tree_cpu_s(watched.server),
             .cms_cpu_s = tree_cpu_s(watched.cms),
             .world_cpu_s = tree_cpu_s(watched.world),
             .memory_mb = memory_mb_of(watched.server),
             .checks = static_cast<double>(sight.checks),
             .asks = static_cast<double>(sight.asks),
             .words = static_cast<double>(sight.words),
             .agent_sessions = static_cast<double>(sight.agent_sessions),
             .postgres_sessions = static_cast<double>(sight.postgres_sessions),
             .business_rows = rows[1].as<double>(),
             .runtime_rows = rows[0].as<double>()};
    out.late.assign(sight.late_ms.begin(), sight.late_ms.end());
    return out;
}

States states_of(const std::string& conninfo) {
    pqxx::connection connection(conninfo);
    const auto row =
        pqxx::nontransaction(connection)
            .exec1(
                "SELECT count(*) FILTER (WHERE state = 'running'), count(*) FILTER (WHERE state = 'failed') "
                "FROM toygres_cms.instances");
    return {row[0].as<std::int64_t>(), row[1].as<std::int64_t>()};
}

}  // namespace toygres::bench
