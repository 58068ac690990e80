// What an agent answers to GET /status: the member as it sees itself. Shared by the agent and the control plane.
#pragma once
#include "ha/topology.hpp"

#include <vector>

namespace toygres::ha {

enum class AgentState {
    waiting,        // may not start: no topology, not the primary, fenced, volume in use; `reason` says which
    bootstrapping,  // making the data directory: initdb, a clone of the primary, a rewind; `reason` says which
    starting,       // postgres runs but does not accept connections yet (crash recovery included)
    running,        // postgres accepts connections
    promoting,      // a replica becomes the primary
    stopping,       // postgres is shutting down
    stopped,        // postgres ended by itself; it is started again after a pause
};
BOOST_DESCRIBE_ENUM(AgentState, waiting, bootstrapping, starting, running, promoting, stopping, stopped)

// One row of pg_stat_replication.
struct PeerStatus {
    std::string application_name;
    std::string state;       // "streaming", "catchup", …
    std::string sync_state;  // "sync", "quorum", "async", "potential"
    std::optional<std::string> flush_lsn;
    std::optional<std::string> replay_lsn;
    std::optional<std::int64_t> replay_lag_ms;
};
BOOST_DESCRIBE_STRUCT(PeerStatus, (), (application_name, state, sync_state, flush_lsn, replay_lsn, replay_lag_ms))

// A replica's walreceiver.
struct ReceiverStatus {
    std::string status;  // "streaming", "waiting", …
    std::string sender_host;
    // Since the primary last said anything.
    std::optional<std::int64_t> silent_ms;
};
BOOST_DESCRIBE_STRUCT(ReceiverStatus, (), (status, sender_host, silent_ms))

struct SlotStatus {
    std::string name;
    bool active;
    std::string wal_status;  // "reserved", "extended", "unreserved", "lost"
    std::optional<std::string> restart_lsn;
};
BOOST_DESCRIBE_STRUCT(SlotStatus, (), (name, active, wal_status, restart_lsn))

struct CloneProgress {
    std::int64_t done_bytes;
    std::int64_t total_bytes;
};
BOOST_DESCRIBE_STRUCT(CloneProgress, (), (done_bytes, total_bytes))

// How postgres ended the last time that nobody asked it to.
struct LastExit {
    Timestamp at;
    std::string how;  // "exit code 1", "signal 9 (Killed)"
};
BOOST_DESCRIBE_STRUCT(LastExit, (), (at, how))

// Whether users can log in, as the agent finds out every few seconds by doing it.
struct LoginStatus {
    bool ok;
    std::optional<std::string> error;
    std::int64_t age_ms;  // since the last log-in ended
    // Connections that are left for users without privileges; of more than a handful only that there are so many.
    std::optional<std::int64_t> free_connections;
};
BOOST_DESCRIBE_STRUCT(LoginStatus, (), (ok, error, age_ms, free_connections))
inline constexpr std::int64_t free_connections_told_max = 8;

struct AgentStatus {
    std::string member;
    std::string agent_version;
    AgentState state;
    bool ready;  // accepts connections in the role that the topology gives
    Role role;   // what it runs as now; `none` while postgres is down
    // Of the topology that it obeys: the server's configuration and role are as this one says, or cannot be and
    // `reason` tells why. 0 before it has one.
    std::int64_t epoch;
    std::int64_t revision;
    std::optional<std::string> reason;
    std::optional<std::string> postgres_version;
    std::optional<std::string> system_identifier;
    std::optional<std::int64_t> timeline;
    std::optional<std::string> write_lsn;  // primary: what is written
    std::optional<std::string> flush_lsn;  // primary: what is on disk
    // Replica: received and on disk; absent while it has not read all that it had on its disk when it was started.
    std::optional<std::string> receive_lsn;
    std::optional<std::string> replay_lsn;  // replica: applied
    std::optional<std::string> synchronous_standby_names;
    std::optional<std::vector<PeerStatus>> peers;  // primary: who streams from it
    std::optional<ReceiverStatus> receiver;        // replica: absent while it receives from nobody
    std::optional<std::vector<SlotStatus>> slots;
    std::optional<bool> clean_shutdown;  // while postgres is down: it ended with a shutdown checkpoint
    std::optional<CloneProgress> clone;  // while one is under way
    std::optional<std::int64_t> disk_total_bytes;
    std::optional<std::int64_t> disk_free_bytes;
    Timestamp started_at;  // of the agent
    std::optional<Timestamp> postgres_started_at;
    std::int64_t restarts;  // times that postgres ended by itself
    std::optional<LastExit> last_exit;
    std::optional<std::string> last_error;
    // Its pod is told to stop; while it is the primary it serves on for a while, for a standby to take over.
    std::optional<bool> stop_requested;
    std::optional<LoginStatus> login;  // primary; absent before the first, and of earlier releases
};
BOOST_DESCRIBE_STRUCT(AgentStatus, (),
                      (member, agent_version, state, ready, role, epoch, revision, reason, postgres_version,
                       system_identifier, timeline, write_lsn, flush_lsn, receive_lsn, replay_lsn,
                       synchronous_standby_names, peers, receiver, slots, clean_shutdown, clone, disk_total_bytes,
                       disk_free_bytes, started_at, postgres_started_at, restarts, last_exit, last_error,
                       stop_requested, login))

}  // namespace toygres::ha
