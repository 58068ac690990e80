#include "api/fleet_metrics.hpp"
#include "api/route.hpp"
#include "api/system_checks.hpp"
#include "base/log.hpp"
#include "base/log_level.hpp"
#include "embedded/openapi.hpp"
#include "metrics/metrics.hpp"
#include "metrics/process.hpp"

namespace toygres::api {
namespace {

using http::Response;

struct LogLevelBody {
    std::string level;
};
BOOST_DESCRIBE_STRUCT(LogLevelBody, (), (level))

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
    call.services().observe();
    metrics::observe_process();
    const auto fleet = co_await read_fleet(call);
    metrics::gauge("toygres_cms_up", "1 when the CMS answered this scrape").Set(fleet ? 1 : 0);
    auto out = metrics::render();
    if (fleet) out += fleet_metrics(*fleet);
    co_return text("text/plain; version=0.0.4; charset=utf-8", std::move(out));
}

// What this process stands on, in the words of the database and the cluster; 200 whatever is found.
asio::awaitable<Response> get_checks(Call& call) {
    call.expect_query({});
    const auto checks = co_await check_system(call.services());
    co_return json_response({{"server", call.services().name},
                             {"version", TOYGRES_VERSION},
                             {"time", format_rfc3339(now())},
                             {"checks", encode(checks)}});
}

Response log_level(const Call& call) {
    return json_response({{"server", call.services().name}, {"level", log::level_name()}});
}

asio::awaitable<Response> get_log_level(Call& call) {
    call.expect_query({});
    co_return log_level(call);
}

// Of this process alone, until it ends.
asio::awaitable<Response> put_log_level(Call& call) {
    call.expect_query({});
    const auto body = call.body<LogLevelBody>();
    const std::string before(log::level_name());
    if (!log::set_level(body.level))
        throw ErrorException(invalid_fields({{"level", "must be debug, info, warning, error or off"}}));
    // Also when the new level would keep it silent: whoever reads the log must see why it ends here.
    const auto after = body.level;
    log::set_level(log::Level::info);
    log::info("log.level_changed",
              {{"from", before}, {"to", after}, {"caller", call.caller_name()}, {"request_id", call.request_id()}});
    log::set_level(after);
    co_return log_level(call);
}

asio::awaitable<Response> get_openapi(Call&) {
    co_return text("application/yaml", std::string(embedded::openapi().front().second));
}

constexpr Route routes[] = {
    {"GET", "/livez", Needs::nothing, get_livez},
    {"GET", "/readyz", Needs::nothing, get_readyz},
    {"GET", "/version", Needs::nothing, get_version},
    {"GET", "/metrics", Needs::nothing, get_metrics},
    {"GET", "/api/v1/system/checks", Needs::admin, get_checks},
    {"GET", "/api/v1/system/log-level", Needs::viewer, get_log_level},
    {"PUT", "/api/v1/system/log-level", Needs::admin, put_log_level, "system.set_log_level"},
    {"GET", "/api/v1/openapi.yaml", Needs::nothing, get_openapi},
};

}  // namespace

std::span<const Route> system_routes() { return routes; }

}  // namespace toygres::api
