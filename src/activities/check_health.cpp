#include "activities/check_health.hpp"

#include "activities/instance_services.hpp"
#include "cms/replication.hpp"
#include "ha/model.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <fmt/format.h>

namespace toygres::activities {
namespace {

using asio::experimental::awaitable_operators::operator||;

constexpr pg::Query probe_query{"instance.probe", "SELECT current_setting('server_version'), pg_is_in_recovery()"};
constexpr auto probe_timeout = std::chrono::seconds(3);
constexpr auto kept_timeout = std::chrono::seconds(1);  // of it, for the session of the last look

// The query of the instance's own, if there is one: its first value has to be true. In a transaction that may only read
// and that ends with the session, which is not kept.
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
asio::awaitable<Result<std::string>> ask(pg::Connection& db) {
    auto rows = co_await db.execute(probe_query);
    if (!rows) co_return std::unexpected(std::move(rows).error());
    if ((*rows)[0].get<bool>(1))
        co_return std::unexpected(Error{ErrorKind::conflict, "primary_in_recovery", "the primary is in recovery"});
    co_return (*rows)[0].get<std::string>(0);
}

// Of the session of the last look; nullopt when it gives none. That says nothing of the instance yet: the session may
// be broken, or lead to who was the primary, and a new one may not.
asio::awaitable<std::optional<std::string>> ask_kept(pg::Connection& db) {
    asio::steady_timer limit(co_await asio::this_coro::executor, kept_timeout);
    const auto first = co_await (ask(db) || limit.async_wait(asio::use_awaitable));
    if (first.index() == 1) co_return std::nullopt;
    const auto& version = std::get<0>(first);
    co_return version ? std::optional(*version) : std::nullopt;
}

asio::awaitable<Result<std::unique_ptr<pg::Connection>>> log_in(InstanceServices& services, InstanceRef in,
                                                                std::chrono::milliseconds timeout) {
    auto endpoint = co_await services.endpoint(in.k8s_name, in.ns);
    if (!endpoint) co_return std::unexpected(std::move(endpoint).error());
    co_return co_await pg::Connection::connect(endpoint->conninfo.reveal(), "", "toygres monitor", timeout);
}

asio::awaitable<Result<std::string>> probe(InstanceServices& services, InstanceRef in) {
    const auto began = std::chrono::steady_clock::now();
    std::optional<std::string> version;
    auto session = services.sessions.take(in.k8s_name);
    if (session) version = co_await ask_kept(*session->connection);
    if (!version) {
        session.reset();
        const auto spent = std::chrono::steady_clock::now() - began;
        auto connection =
            co_await log_in(services, in, std::chrono::duration_cast<std::chrono::milliseconds>(probe_timeout - spent));
        if (!connection) co_return std::unexpected(std::move(connection).error());
        auto answer = co_await ask(**connection);
        if (!answer) co_return std::unexpected(std::move(answer).error());
        version = *std::move(answer);
        session = std::make_unique<KeptSession>(*std::move(connection));
    }
    const auto query = co_await custom_query(services, in.instance);
    if (query.empty()) {
        services.sessions.keep(in.k8s_name, std::move(session));
        co_return *version;
    }
    if (auto passed = co_await custom_check(*session->connection, query); !passed)
        co_return std::unexpected(std::move(passed).error());
    co_return *version;
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
