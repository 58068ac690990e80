#include "api/fleet_metrics.hpp"
#include "api/route.hpp"
#include "base/log.hpp"
#include "embedded/openapi.hpp"
#include "metrics/metrics.hpp"
#include "metrics/process.hpp"

namespace toygres::api {
namespace {

using http::Response;

Response text(std::string type, std::string body) {
    return {200, {{"Content-Type", std::move(type)}, {"Cache-Control", "no-store"}}, std::move(body)};
}

asio::awaitable<Response> get_livez(Call&) { co_return text("text/plain; charset=utf-8", "ok\n"); }

// 503 names what does not work.
asio::awaitable<Response> get_readyz(Call& call) {
    const auto [database, kubernetes, runtime] = call.services().readiness();
    const bool ready = database && kubernetes && runtime;
    co_return json_response(
        {{"ready", ready}, {"checks", {{"database", database}, {"kubernetes", kubernetes}, {"runtime", runtime}}}},
        ready ? 200 : 503);
}

asio::awaitable<Response> get_version(Call& call) {
    const auto& versions = call.services().postgres_versions;
    co_return json_response({{"version", TOYGRES_VERSION},
                             {"api", "v1"},
                             {"postgres_versions", versions},
                             {"default_postgres_version", versions.empty() ? "" : versions.back()}});
}

void observe_pool(const pg::Pool& pool) {
    constexpr auto name = "toygres_cms_pool_connections";
    constexpr auto help = "Sessions to the CMS that this process holds";
    metrics::gauge(name, help, {{"state", "in_use"}}).Set(static_cast<double>(pool.in_use()));
    metrics::gauge(name, help, {{"state", "idle"}}).Set(static_cast<double>(pool.idle()));
    metrics::gauge("toygres_cms_pool_connections_max", "How many sessions to the CMS this process may hold")
        .Set(static_cast<double>(pool.options().connections_max));
    metrics::gauge("toygres_cms_pool_waiting", "Who waits for a session to become free")
        .Set(static_cast<double>(pool.waiting()));
}

asio::awaitable<std::optional<Fleet>> read_fleet(Call& call) {
    try {
        co_return Fleet{co_await call.read([](pg::Connection& db) { return cms::replication_figures(db); }),
                        co_await call.read([](pg::Connection& db) { return cms::count_failovers(db); }),
                        co_await call.read([](pg::Connection& db) { return cms::count_running_operations(db); }),
                        co_await call.read([](pg::Connection& db) { return cms::get_fleet_failover(db); })};
    } catch (const ErrorException& e) {
        log::warning("metrics.without_instances",
                     {{"request_id", call.request_id()}, {"code", e.error().code}, {"message", e.error().message}});
    }
    co_return std::nullopt;
}

// Without the database only the process's own.
asio::awaitable<Response> get_metrics(Call& call) {
    observe_pool(*call.services().pool);
    metrics::observe_process();
    const auto fleet = co_await read_fleet(call);
    metrics::gauge("toygres_cms_up", "1 when the CMS answered this scrape").Set(fleet ? 1 : 0);
    auto out = metrics::render();
    if (fleet) out += fleet_metrics(*fleet);
    co_return text("text/plain; version=0.0.4; charset=utf-8", std::move(out));
}

asio::awaitable<Response> get_openapi(Call&) {
    co_return text("application/yaml", std::string(embedded::openapi().front().second));
}

constexpr Route routes[] = {
    {"GET", "/livez", Needs::nothing, get_livez},
    {"GET", "/readyz", Needs::nothing, get_readyz},
    {"GET", "/version", Needs::nothing, get_version},
    {"GET", "/metrics", Needs::nothing, get_metrics},
    {"GET", "/api/v1/openapi.yaml", Needs::nothing, get_openapi},
};

}  // namespace

std::span<const Route> system_routes() { return routes; }

}  // namespace toygres::api
