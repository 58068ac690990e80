#include "cms/stats.hpp"

#include "api/route.hpp"

namespace toygres::api {
namespace {

asio::awaitable<http::Response> get_stats(Call& call) {
    call.expect_query({});
    auto out = encode(co_await call.read([](pg::Connection& db) { return cms::get_stats(db); }));
    out["version"] = TOYGRES_VERSION;
    co_return json_response(out);
}

// Of this process alone.
asio::awaitable<http::Response> get_debug(Call& call) {
    constexpr std::int64_t most_default = 100;
    constexpr std::int64_t most_max = 10'000;
    call.expect_query({"id_prefix", "limit"});
    const auto& services = call.services();
    const auto most = call.query_number("limit", 1, most_max).value_or(most_default);
    const auto& pool = *services.pool;
    co_return json_response({{"server", services.name},
                             {"version", TOYGRES_VERSION},
                             {"time", format_rfc3339(now())},
                             {"pool",
                              {{"in_use", pool.in_use()},
                               {"idle", pool.idle()},
                               {"waiting", pool.waiting()},
                               {"max", pool.options().connections_max}}},
                             {"runtime", services.view_runtime(call.query_text("id_prefix").value_or(""),
                                                               static_cast<std::size_t>(most))}});
}

constexpr Route routes[] = {
    {"GET", "/api/v1/system/debug", Needs::admin, get_debug},
    {"GET", "/api/v1/stats", Needs::viewer, get_stats},
};

}  // namespace

std::span<const Route> stats_routes() { return routes; }

}  // namespace toygres::api
