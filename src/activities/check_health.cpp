#include "activities/check_health.hpp"

#include "activities/instance_services.hpp"
#include "cms/replication.hpp"
#include "ha/model.hpp"

#include <fmt/format.h>

namespace toygres::activities {
namespace {

constexpr pg::Query probe_query{"instance.probe", "SELECT current_setting('server_version'), pg_is_in_recovery()"};
constexpr auto probe_timeout = std::chrono::seconds(3);

// The query of the instance's own, if there is one: its first value has to be true. In a transaction that may only read
// and that ends with the session.
asio::awaitable<Result<void>> custom_check(pg::Connection& db, std::string query) {
    for (const auto* begin : {"BEGIN READ ONLY", "SET LOCAL statement_timeout = '2s'"})
        if (auto done = co_await db.run(begin); !done) co_return std::unexpected(std::move(done).error());
    const auto rows = co_await db.run(std::move(query));
    const auto bad = [](std::string why) {
        return std::unexpected(Error{ErrorKind::conflict, "custom_check_failed", "the custom check " + std::move(why)});
    };
    if (!rows) co_return bad("failed: " + rows.error().message);
    if (rows->empty()) co_return bad("gave no row");
    const auto value = (*rows)[0].get<std::optional<std::string>>(0);
    if (value != "t") co_return bad(fmt::format("gave '{}', not true", value.value_or("NULL")));
    co_return Result<void>();
}

asio::awaitable<std::string> custom_query(InstanceServices& services, std::string instance) {
    auto lease = co_await services.pool->acquire();
    if (!lease) co_return "";
    const auto stored = co_await cms::get_replication(**lease, instance);
    co_return stored ? decode<ha::Policy>(stored->policy).custom_check.value_or("") : std::string();
}

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
    if (const auto query = co_await custom_query(services, in.instance); !query.empty())
        if (auto passed = co_await custom_check(**connection, query); !passed)
            co_return std::unexpected(std::move(passed).error());
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
