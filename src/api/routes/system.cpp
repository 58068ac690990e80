#include "api/fleet_metrics.hpp"
#include "api/route.hpp"
#include "base/log.hpp"
#include "embedded/openapi.hpp"
#include "metrics/metrics.hpp"

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

// Without the database only the process's own.
asio::awaitable<Response> get_metrics(Call& call) {
    auto out = metrics::render();
    try {
        const auto instances = co_await call.read([](pg::Connection& db) { return cms::replication_figures(db); });
        const auto failovers = co_await call.read([](pg::Connection& db) { return cms::count_failovers(db); });
        const auto fleet = co_await call.read([](pg::Connection& db) { return cms::get_fleet_failover(db); });
        out += fleet_metrics(instances, failovers, fleet);
    } catch (const ErrorException& e) {
        log::warning("metrics.without_instances", {{"code", e.error().code}, {"message", e.error().message}});
    }
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
