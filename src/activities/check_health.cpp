#include "activities/check_health.hpp"

#include "activities/instance_services.hpp"

namespace toygres::activities {
namespace {

constexpr pg::Query probe_query{"instance.probe", "SELECT current_setting('server_version'), pg_is_in_recovery()"};
constexpr auto probe_timeout = std::chrono::seconds(3);

// The version, or why there is none.
asio::awaitable<Result<std::string>> probe(InstanceServices& services, InstanceRef in) {
    auto endpoint = co_await services.endpoint(in.k8s_name, in.ns);
    if (!endpoint) co_return std::unexpected(std::move(endpoint).error());
    auto connection =
        co_await pg::Connection::connect(endpoint->conninfo.reveal(), "", "toygres monitor", probe_timeout);
    if (!connection) co_return std::unexpected(std::move(connection).error());
    auto rows = co_await (*connection)->execute(probe_query);
    if (!rows) co_return std::unexpected(std::move(rows).error());
    if ((*rows)[0].get<bool>(1))
        co_return std::unexpected(Error{ErrorKind::conflict, "primary_in_recovery", "the primary is in recovery"});
    co_return (*rows)[0].get<std::string>(0);
}

}  // namespace

asio::awaitable<CheckHealth::Output> CheckHealth::run(runtime::ActivityContext& ctx, Input in) {
    auto& services = ctx.service<InstanceServices>();
    const auto began = std::chrono::steady_clock::now();
    const auto version = co_await probe(services, in);
    const auto took =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began).count();
    if (version) co_return Output{true, *version, took, std::nullopt};
    services.forget(in.k8s_name);
    co_return Output{false, std::nullopt, took, version.error().message};
}

}  // namespace toygres::activities
