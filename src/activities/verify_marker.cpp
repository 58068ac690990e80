#include "activities/verify_marker.hpp"

#include "activities/instance_services.hpp"
#include "base/crypto.hpp"
#include "cms/replication.hpp"
#include "ha/model.hpp"
#include "kube/inspect.hpp"

#include <fmt/format.h>

namespace toygres::activities {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto connect_timeout = 3s;
constexpr auto pause = 5ms;
constexpr auto pause_after_error = 250ms;

// One row in the database "postgres", overwritten each time.
constexpr pg::Query is_there_query{"marker.is_there", "SELECT to_regclass('toygres.replication_marker') IS NOT NULL"};
constexpr pg::Query make_schema_query{"marker.make_schema", "CREATE SCHEMA IF NOT EXISTS toygres"};
constexpr pg::Query make_table_query{"marker.make_table",
                                     "CREATE TABLE IF NOT EXISTS toygres.replication_marker (only_one boolean PRIMARY "
                                     "KEY DEFAULT true CHECK (only_one), "
                                     "marker text NOT NULL, committed_at timestamptz NOT NULL)"};
constexpr pg::Query write_query{"marker.write",
                                "INSERT INTO toygres.replication_marker (marker, committed_at) VALUES ($1, "
                                "clock_timestamp()) ON CONFLICT (only_one) DO UPDATE SET marker = excluded.marker, "
                                "committed_at = excluded.committed_at"};
constexpr pg::Query read_query{"marker.read", "SELECT pg_is_in_recovery(), marker FROM toygres.replication_marker"};

std::int64_t ms_since(Clock::time_point then) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - then).count();
}

using Session = std::unique_ptr<pg::Connection>;

// To the member's own pod: the Service knows roles, not members.
asio::awaitable<Result<Session>> connect(InstanceServices& services, InstanceRef in, std::string member) {
    auto endpoint = co_await services.endpoint(in.k8s_name, in.ns);
    if (!endpoint) co_return std::unexpected(std::move(endpoint).error());
    const auto number = ha::number_of(member);
    auto pod = co_await services.kube.get(kube::resource("Pod", in.ns, kube::member_pod(in.k8s_name, number)));
    if (!pod) co_return std::unexpected(std::move(pod).error());
    const auto address = kube::text_at(*pod, "/status/podIP");
    if (address.empty())
        co_return std::unexpected(Error{ErrorKind::transient, "no_address", member + " has no address"});
    // What stands later in a connection string counts.
    auto out = co_await pg::Connection::connect(
        fmt::format("{} host={} hostaddr={} sslmode=verify-full options='-c statement_timeout=5s'",
                    endpoint->conninfo.reveal(), kube::member_host(in.k8s_name, in.ns, number), address),
        "", "toygres verify", connect_timeout);
    if (!out && out.error().kind != ErrorKind::transient) services.forget(in.k8s_name);
    co_return out;
}

asio::awaitable<void> commit(pg::Connection& db, std::string marker) {
    const auto there = value_or_raise(co_await db.execute(is_there_query));
    if (!there[0].get<bool>(0)) {
        value_or_raise(co_await db.execute(make_schema_query));
        value_or_raise(co_await db.execute(make_table_query));
    }
    value_or_raise(co_await db.execute(write_query, pg::params(marker)));
}

asio::awaitable<VerifyMarker::Standby> look(InstanceServices& services, InstanceRef in, std::string member,
                                            std::string marker, Clock::time_point committed_at,
                                            std::chrono::milliseconds timeout) {
    VerifyMarker::Standby out{.member = member, .readable = false, .after_ms = 0, .error = "it did not show up"};
    Session session;
    asio::steady_timer timer(co_await asio::this_coro::executor);
    const auto began = Clock::now();
    while (ms_since(began) < timeout.count()) {
        if (!session) {
            auto connected = co_await connect(services, in, member);
            if (connected)
                session = *std::move(connected);
            else
                out.error = connected.error().message;
        }
        if (session) {
            const auto rows = co_await session->execute(read_query);
            if (rows && !rows->empty() && (*rows)[0].get<std::string>(1) == marker) {
                const bool standby = (*rows)[0].get<bool>(0);
                out.readable = standby;
                out.after_ms = ms_since(committed_at);
                out.error = standby ? std::nullopt : std::optional<std::string>("it is not a standby");
                co_return out;
            }
            if (!rows) {
                out.error = rows.error().message;
                session.reset();
            }
        }
        timer.expires_after(session ? std::chrono::milliseconds(pause) : pause_after_error);
        co_await timer.async_wait(asio::use_awaitable);
    }
    out.after_ms = ms_since(committed_at);
    co_return out;
}

}  // namespace

asio::awaitable<VerifyMarker::Output> VerifyMarker::run(runtime::ActivityContext& ctx, Input in) {
    auto& services = ctx.service<InstanceServices>();
    ha::Record record;
    {
        auto lease = value_or_raise(co_await services.pool->acquire());
        const auto stored = value_or_raise(co_await cms::get_replication(*lease, in.instance.instance));
        record = decode<ha::Record>(stored.record);
    }
    if (record.primary.empty()) raise(ErrorKind::conflict, "no_primary", "a new primary is being chosen");
    if (record.members.size() < 2) raise(ErrorKind::conflict, "no_standby", "the instance has no standby");
    const auto session = value_or_raise(co_await connect(services, in.instance, record.primary));
    Output out{.marker = random_hex(16), .primary = record.primary, .committed_ms = 0, .standbys = {}};
    const auto began = Clock::now();
    co_await commit(*session, out.marker);
    const auto committed_at = Clock::now();
    out.committed_ms = ms_since(began);
    for (const auto& member : record.members)
        if (member != record.primary)
            out.standbys.push_back(co_await look(services, in.instance, member, out.marker, committed_at,
                                                 std::chrono::milliseconds(in.timeout_ms)));
    co_return out;
}

}  // namespace toygres::activities
