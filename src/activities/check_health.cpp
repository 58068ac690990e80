#include "activities/check_health.hpp"

#include "activities/instance_services.hpp"
#include "cms/replication.hpp"
#include "ha/model.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <fmt/format.h>

namespace toygres::activities {
namespace {

using asio::experimental::awaitable_operators::operator||;
using Clock = std::chrono::steady_clock;

constexpr pg::Query probe_query{"instance.probe", "SELECT current_setting('server_version'), pg_is_in_recovery()"};
constexpr auto probe_timeout = std::chrono::seconds(3);
constexpr auto kept_timeout = std::chrono::seconds(1);   // of it, for the session that is kept
constexpr auto place_timeout = std::chrono::seconds(1);  // of it, until a log-in may begin
constexpr auto place_timeout_if_told = std::chrono::milliseconds(50);
// Connections that users without privileges have left: with fewer no session is kept, and none begun to be.
constexpr std::int64_t free_to_keep = 3;
constexpr std::int64_t free_to_begin = 4;

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

// As the monitor read it a moment ago, or as the CMS has it.
asio::awaitable<std::string> custom_query(InstanceServices& services, InstanceRef in) {
    if (const auto known = services.watch(in).custom_check()) co_return *known;
    auto lease = co_await services.pool->acquire();
    if (!lease) co_return "";
    const auto stored = co_await cms::get_replication(**lease, in.instance);
    co_return stored ? decode<ha::Policy>(stored->policy).custom_check.value_or("") : std::string();
}

// The version.
asio::awaitable<Result<std::string>> ask(pg::Connection& db) {
    auto rows = co_await db.execute(probe_query);
    if (!rows) co_return std::unexpected(std::move(rows).error());
    if ((*rows)[0].get<bool>(1))
        co_return std::unexpected(Error{ErrorKind::conflict, "primary_in_recovery", "the primary is in recovery"});
    co_return (*rows)[0].get<std::string>(0);
}

// nullopt when the session gives no answer. That says nothing of the instance yet: the session may be broken, or lead
// to who was the primary, and a new one may not.
asio::awaitable<std::optional<std::string>> ask_kept(pg::Connection& db) {
    asio::steady_timer limit(co_await asio::this_coro::executor, kept_timeout);
    const auto first = co_await (ask(db) || limit.async_wait(use));
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

[[noreturn]] void give_up_look() {
    raise(ErrorKind::transient, std::string(CheckHealth::not_made), "too many others are being looked at");
}

// A look's own time is the instance's: what it waits for before it turns to it says nothing of it.
struct Look {
    Clock::time_point began = Clock::now();
    Clock::time_point turned_to_it = began;
};

// In a session of its own, as a user's application begins one.
asio::awaitable<Result<std::string>> probe_with(InstanceServices& services, InstanceRef in, std::string query,
                                                Look& look) {
    const auto place = co_await services.log_ins.enter(place_timeout);
    if (!place) give_up_look();
    look.turned_to_it = Clock::now();
    auto connection = co_await log_in(services, in, probe_timeout);
    if (!connection) co_return std::unexpected(std::move(connection).error());
    auto version = co_await ask(**connection);
    if (!version) co_return version;
    if (auto passed = co_await custom_check(**connection, std::move(query)); !passed)
        co_return std::unexpected(std::move(passed).error());
    co_return version;
}

// Nobody may log in now, since a crowd does, as after a restart: what the primary's agent finds will do once more.
// Empty: what version it is was not asked.
asio::awaitable<std::string> probe_without(KeptSessions& sessions, InstanceRef in, KeptSessions::Session kept,
                                           bool told, Look& look) {
    look.turned_to_it = Clock::now();
    auto version = kept ? co_await ask_kept(*kept) : std::nullopt;
    if (version) sessions.put_back(in.k8s_name, std::move(kept));
    if (!version && !told) give_up_look();
    co_return version.value_or("");
}

// In the session of the looks before while the primary's agent finds that users can log in, and one is made now and
// then all the same. A session that stands while a log-in fails stays, unused: to leave its place would let the next
// log-in in, and nobody else.
asio::awaitable<Result<std::string>> probe(InstanceServices& services, InstanceRef in, Look& look) {
    auto& sessions = services.sessions;
    const auto users = services.watch(in).login();
    const auto free = users && users->ok ? users->free_connections.value_or(0) : 0;
    auto kept = sessions.take(in.k8s_name);
    const bool had = kept != nullptr;
    const bool due = sessions.login_is_due(in.k8s_name);
    if (kept && free >= free_to_keep && !due) {
        if (auto version = co_await ask_kept(*kept)) {
            sessions.put_back(in.k8s_name, std::move(kept));
            co_return *version;
        }
        kept.reset();
    }
    const bool told = users && users->ok;
    const auto place = co_await services.log_ins.enter(told ? place_timeout_if_told : place_timeout);
    if (!place) co_return co_await probe_without(sessions, in, std::move(kept), told, look);
    look.turned_to_it = Clock::now();
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(probe_timeout - (look.turned_to_it - look.began));
    auto connection = co_await log_in(services, in, left);
    if (!connection) {
        if (kept) sessions.put_back(in.k8s_name, std::move(kept));
        co_return std::unexpected(std::move(connection).error());
    }
    auto version = co_await ask(**connection);
    if (version && free >= (had ? free_to_keep : free_to_begin))
        sessions.keep(in.k8s_name, *std::move(connection));
    else
        sessions.drop(in.k8s_name);
    co_return version;
}

}  // namespace

asio::awaitable<CheckHealth::Output> CheckHealth::run(runtime::ActivityContext& ctx, Input in) {
    auto& services = ctx.service<InstanceServices>();
    const auto query = co_await custom_query(services, in);
    Look look;
    const auto version = co_await (query.empty() ? probe(services, in, look) : probe_with(services, in, query, look));
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - look.turned_to_it).count();
    if (version) co_return Output{true, version->empty() ? std::nullopt : std::optional(*version), took, std::nullopt};
    services.forget(in.k8s_name);
    co_return Output{false, std::nullopt, took, version.error().message};
}

}  // namespace toygres::activities
