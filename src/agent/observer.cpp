#include "agent/observer.hpp"

#include "base/process.hpp"

#include <charconv>
#include <csignal>
#include <sys/statvfs.h>

namespace toygres::agent {
namespace {

constexpr std::chrono::milliseconds answer_max_age{500};
constexpr std::chrono::seconds controldata_timeout{5};

constexpr const char* state_query = R"sql(
SELECT json_build_object(
  'in_recovery', r,
  'postgres_version', current_setting('server_version'),
  'system_identifier', (SELECT system_identifier::text FROM pg_control_system()),
  'timeline', CASE WHEN r THEN (SELECT timeline_id FROM pg_control_checkpoint())
                   ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END,
  'write_lsn', CASE WHEN NOT r THEN pg_current_wal_lsn()::text END,
  'flush_lsn', CASE WHEN NOT r THEN pg_current_wal_flush_lsn()::text END,
  'receive_lsn', CASE WHEN r THEN pg_last_wal_receive_lsn()::text END,
  'replay_lsn', CASE WHEN r THEN pg_last_wal_replay_lsn()::text END,
  'synchronous_standby_names', current_setting('synchronous_standby_names'),
  'peers', (SELECT coalesce(json_agg(json_build_object('application_name', application_name, 'state', state,
                                                       'sync_state', sync_state, 'flush_lsn', flush_lsn::text)), '[]')
            FROM pg_stat_replication))
FROM (SELECT pg_is_in_recovery() AS r) AS s;
)sql";

template <class T> void take(const Json& from, const char* key, std::optional<T>& into) {
    if (const auto it = from.find(key); it != from.end() && !it->is_null()) into = decode<T>(*it);
}

// The value of a line "Name:   value" of pg_controldata.
std::string control_value(const std::string& text, std::string_view name) {
    auto at = text.find(name);
    if (at == std::string::npos) return {};
    at = text.find_first_not_of(" ", at + name.size());
    return at == std::string::npos ? std::string() : text.substr(at, text.find('\n', at) - at);
}

}  // namespace

Observer::Observer(asio::any_io_executor executor, const Options& options, Binaries binaries, const Psql& psql)
    : options_(options), binaries_(std::move(binaries)), psql_(psql), refreshed_(executor) {}

asio::awaitable<void> Observer::refresh() {
    if (refreshing_) {
        co_await refreshed_.wait();
        co_return;
    }
    refreshing_ = true;
    const auto rows = co_await psql_.run(state_query);
    const auto json = rows ? parse_json(*rows) : Result<Json>(std::unexpected(rows.error()));
    answer_ = json && json->is_object() ? std::optional(*json) : std::nullopt;
    trouble_ = json ? "" : json.error().message;
    answered_at_ = std::chrono::steady_clock::now();
    refreshing_ = false;
    refreshed_.notify();
}

asio::awaitable<void> Observer::observe_running(ha::AgentStatus& status) {
    if (!answer_ || std::chrono::steady_clock::now() - answered_at_ > answer_max_age) co_await refresh();
    if (!answer_) {
        if (!status.last_error) status.last_error = trouble_;
        co_return;
    }
    const auto& a = *answer_;
    status.role = a.value("in_recovery", false) ? ha::Role::replica : ha::Role::primary;
    take(a, "postgres_version", status.postgres_version);
    take(a, "system_identifier", status.system_identifier);
    take(a, "timeline", status.timeline);
    take(a, "write_lsn", status.write_lsn);
    take(a, "flush_lsn", status.flush_lsn);
    take(a, "receive_lsn", status.receive_lsn);
    take(a, "replay_lsn", status.replay_lsn);
    take(a, "synchronous_standby_names", status.synchronous_standby_names);
    take(a, "peers", status.peers);
}

asio::awaitable<void> Observer::observe_stopped(ha::AgentStatus& status) {
    const Command command{{binaries_.path("pg_controldata"), "-D", options_.data_dir}, {{"LC_ALL", "C"}}, {}, SIGKILL};
    const auto done = co_await run_command(command, {}, controldata_timeout);
    if (!done || !done->status.ok()) co_return;
    status.postgres_version = binaries_.major;
    if (auto id = control_value(done->output, "Database system identifier:"); !id.empty())
        status.system_identifier = id;
    const auto timeline = control_value(done->output, "Latest checkpoint's TimeLineID:");
    std::int64_t number = 0;
    if (std::from_chars(timeline.data(), timeline.data() + timeline.size(), number).ec == std::errc())
        status.timeline = number;
    if (auto lsn = control_value(done->output, "Latest checkpoint location:"); !lsn.empty()) status.flush_lsn = lsn;
}

void Observer::observe_disk(ha::AgentStatus& status) const {
    struct statvfs disk{};
    if (::statvfs(options_.volume().c_str(), &disk) != 0) return;
    status.disk_total_bytes = static_cast<std::int64_t>(disk.f_blocks * disk.f_frsize);
    status.disk_free_bytes = static_cast<std::int64_t>(disk.f_bavail * disk.f_frsize);
}

}  // namespace toygres::agent
