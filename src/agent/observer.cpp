#include "agent/observer.hpp"

#include "agent/control_file.hpp"

#include <sys/statvfs.h>

namespace toygres::agent {
namespace {

constexpr std::chrono::seconds answer_limit{10};
constexpr const char* state_query = R"sql(
SELECT json_build_object(
  'in_recovery', r,
  'postgres_version', current_setting('server_version'),
  'system_identifier', (SELECT system_identifier::text FROM pg_control_system()),
  -- Of a replica: the newest that it has received anything of. postgres forgets it with the walreceiver, the names of the
  -- WAL's files keep it.
  'timeline', CASE WHEN r THEN (SELECT greatest(min_recovery_end_timeline, timeline_id,
                                                (SELECT max(('x' || left(name, 8))::bit(32)::int) FROM pg_ls_waldir()
                                                 WHERE name ~ '^[0-9A-F]{24}$'))
                                FROM pg_control_recovery(), pg_control_checkpoint())
                   ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END,
  'write_lsn', CASE WHEN NOT r THEN pg_current_wal_lsn()::text END,
  'flush_lsn', CASE WHEN NOT r THEN pg_current_wal_flush_lsn()::text END,
  -- A replica that has been started anew has received nothing yet; what it has applied it has, and how much more lies on
  -- its disk is known when it has read all of that: it asks for more then, or waits until there is somebody to ask.
  'receive_lsn', CASE WHEN r AND (pg_last_wal_receive_lsn() IS NOT NULL OR EXISTS (
                           SELECT FROM pg_stat_activity WHERE backend_type = 'startup' AND
                           wait_event IN ('RecoveryRetrieveRetryInterval', 'RecoveryWalStream')))
                      THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::text END,
  'replay_lsn', CASE WHEN r THEN pg_last_wal_replay_lsn()::text END,
  'synchronous_standby_names', current_setting('synchronous_standby_names'),
  'peers', (SELECT coalesce(json_agg(json_build_object(
                     'application_name', application_name, 'state', state, 'sync_state', sync_state,
                     'flush_lsn', flush_lsn::text, 'replay_lsn', replay_lsn::text,
                     'replay_lag_ms', (extract(epoch FROM replay_lag) * 1000)::bigint)), '[]')
            FROM pg_stat_replication),
  'receiver', (SELECT json_build_object(
                 'status', status, 'sender_host', coalesce(sender_host, ''),
                 'silent_ms', (extract(epoch FROM clock_timestamp() - last_msg_receipt_time) * 1000)::bigint)
               FROM pg_stat_wal_receiver),
  'free_connections', CASE WHEN NOT r THEN
     current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
     - coalesce(current_setting('reserved_connections', true)::int, 0)
     - (SELECT count(*) FROM pg_stat_get_activity(NULL) WHERE backend_type = 'client backend') END,
  'slots', (SELECT coalesce(json_agg(json_build_object('name', slot_name, 'active', active,
                     'wal_status', coalesce(wal_status, ''), 'restart_lsn', restart_lsn::text)), '[]')
            FROM pg_replication_slots))
FROM (SELECT pg_is_in_recovery() AS r) AS s;
)sql";

template <class T> void take(const Json& from, const char* key, std::optional<T>& into) {
    if (const auto it = from.find(key); it != from.end() && !it->is_null()) into = decode<T>(*it);
}

}  // namespace

Observer::Observer(asio::any_io_executor executor, const Options& options, Binaries binaries)
    : options_(options), binaries_(std::move(binaries)), session_(executor, options, binaries_), refreshed_(executor) {}

void Observer::forget() {
    ++forgotten_;
    answer_.reset();
    session_.close();
}

asio::awaitable<void> Observer::refresh() {
    if (refreshing_) {
        co_await refreshed_.wait();
        co_return;
    }
    // Also when it is cut off half-way: others wait.
    struct Turn {
        Observer& observer;
        explicit Turn(Observer& o) : observer(o) { observer.refreshing_ = true; }
        ~Turn() {
            observer.refreshing_ = false;
            observer.refreshed_.notify();
        }
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;
    } turn(*this);
    auto rows = Result<std::string>();
    for (int asked_at = forgotten_ - 1;
         asked_at != forgotten_;) {  // what was asked before a change says nothing after it
        asked_at = forgotten_;
        rows = co_await session_.ask(state_query, answer_limit);
    }
    const auto json = rows ? parse_json(*rows) : Result<Json>(std::unexpected(rows.error()));
    answer_ = json && json->is_object() ? std::optional(*json) : std::nullopt;
    trouble_ = json ? "" : json.error().message;
    answered_at_ = std::chrono::steady_clock::now();
}

asio::awaitable<void> Observer::observe_running(ha::AgentStatus& status, std::chrono::milliseconds max_age) {
    if (!answer_ || std::chrono::steady_clock::now() - answered_at_ > max_age) co_await refresh();
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
    if (status.role == ha::Role::primary) take(a, "peers", status.peers);
    take(a, "receiver", status.receiver);
    take(a, "slots", status.slots);
}

std::optional<std::int64_t> Observer::free_connections() const {
    std::optional<std::int64_t> out;
    if (answer_) take(*answer_, "free_connections", out);
    return out;
}

asio::awaitable<void> Observer::observe_stopped(ha::AgentStatus& status) {
    const auto control = co_await read_control_file(binaries_, options_.data_dir);
    if (!control) co_return;
    status.postgres_version = binaries_.major;
    status.system_identifier = control->system_identifier;
    status.timeline = control->timeline;
    status.flush_lsn = control->checkpoint_lsn;
    status.clean_shutdown = control->clean;
}

void Observer::observe_disk(ha::AgentStatus& status) const {
    struct statvfs disk{};
    if (::statvfs(options_.volume().c_str(), &disk) != 0) return;
    status.disk_total_bytes = static_cast<std::int64_t>(disk.f_blocks * disk.f_frsize);
    status.disk_free_bytes = static_cast<std::int64_t>(disk.f_bavail * disk.f_frsize);
}

}  // namespace toygres::agent
