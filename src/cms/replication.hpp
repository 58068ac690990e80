// The replication records of instances, as JSON of src/ha's types: read, advanced with their audit, asked for changes.
#pragma once
#include "pg/pool.hpp"

#include <optional>
#include <string>
#include <vector>

namespace toygres::cms {

struct Replication {
    Json record;   // ha::Record
    Json policy;   // ha::Policy
    Json request;  // ha::Request that the monitor has not looked at yet; null: none
    std::optional<std::string> blocked;
    Timestamp updated_at;
    Timestamp read_at;                      // both by the database's clock, which is the same for all servers
    std::optional<std::int64_t> lag_bytes;  // as it was last measured…
    std::optional<Timestamp> checked_at;    // …then
    Json alerts;                            // a list of ha::Alert
};

// With the members' rows, of which the first is the primary.
asio::awaitable<Result<void>> insert_replication(pg::Connection& tx, std::string instance, Json record, Json policy);
// Errors: not_found/"replication_not_found".
asio::awaitable<Result<Replication>> get_replication(pg::Connection& db, std::string instance);

// A change of the record, decided on the state and reign that were seen.
struct ReplicationChange {
    std::string seen_state;
    std::int64_t seen_epoch;
    std::int64_t seen_revision;
    Json record;
    std::string event;
    std::string actor;
    std::optional<std::string> operation;
    std::string reason;
    Json evidence;
};
// false: the record has changed meanwhile, nothing was done. Error: conflict/"illegal_transition".
asio::awaitable<Result<bool>> advance_replication(pg::Connection& tx, std::string instance, ReplicationChange change);
// An event that changes nothing: a refusal, a warning.
asio::awaitable<Result<void>> add_replication_event(pg::Connection& tx, std::string instance, std::string event,
                                                    std::string message, Json metadata, std::string actor,
                                                    std::optional<std::string> operation);
// true: it is another reason than before, or the first, or the last is over.
asio::awaitable<Result<bool>> set_blocked(pg::Connection& tx, std::string instance, std::optional<std::string> reason);
asio::awaitable<Result<void>> set_alerts(pg::Connection& tx, std::string instance, Json alerts);
// Replaces the fields that `changes` has.
asio::awaitable<Result<void>> change_policy(pg::Connection& tx, std::string instance, Json changes);
asio::awaitable<Result<void>> set_replication_lag(pg::Connection& tx, std::string instance,
                                                  std::optional<std::int64_t> bytes);

// One wish at a time. Error: conflict/"request_pending".
asio::awaitable<Result<void>> put_request(pg::Connection& tx, std::string instance, Json request);
asio::awaitable<Result<void>> clear_request(pg::Connection& tx, std::string instance);

// Automatic failover of all instances: whether it is on, since when, by whom and why. It is on until somebody turns it
// off.
struct FleetFailover {
    bool automatic = true;
    std::optional<std::string> reason;
    std::optional<std::string> actor;
    std::optional<Timestamp> changed_at;
};
BOOST_DESCRIBE_STRUCT(FleetFailover, (), (automatic, reason, actor, changed_at))
asio::awaitable<Result<FleetFailover>> get_fleet_failover(pg::Connection& db);
asio::awaitable<Result<void>> set_fleet_failover(pg::Connection& tx, bool automatic, std::string reason,
                                                 std::string actor, std::string request_id);
// Monitors of the instances whose failover is blocked at present.
asio::awaitable<Result<std::vector<std::string>>> blocked_monitors(pg::Connection& db);

// What is measured of every instance that is not deleted.
struct ReplicationFigures {
    std::string instance;
    std::string k8s_name;
    std::string postgres_version;
    std::string instance_state;  // as Instance has them
    std::string health;
    std::optional<Timestamp> last_health_check_at;
    std::string state;
    std::int64_t epoch;
    std::vector<std::string> members;
    std::string primary;  // empty: none at present
    bool failover_safe;
    bool blocked;
    std::optional<std::int64_t> lag_bytes;
    Json alerts;
};
asio::awaitable<Result<std::vector<ReplicationFigures>>> replication_figures(pg::Connection& db);
// Changes of roles ever made, by kind and status.
struct FailoverCount {
    std::string kind;
    std::string status;
    std::int64_t count;
};
asio::awaitable<Result<std::vector<FailoverCount>>> count_failovers(pg::Connection& db);

// A change of roles, from its beginning to its end.
struct FailoverRow {
    std::string id;
    std::string kind;    // switchover | manual | automatic
    std::string status;  // as HA.md names them
    std::string old_primary;
    std::optional<std::string> new_primary;
    std::int64_t epoch;
    std::string reason;
    std::optional<std::int64_t> data_loss_bytes;
    std::optional<std::string> operation;
    Json inputs;
};
asio::awaitable<Result<void>> begin_failover(pg::Connection& tx, std::string instance, FailoverRow row);
// Moves on; `completed` and `failed` end it. Notes the time of each step.
asio::awaitable<Result<void>> move_failover(pg::Connection& tx, std::string id, std::string status,
                                            std::optional<std::string> new_primary, std::int64_t epoch,
                                            std::optional<std::int64_t> data_loss_bytes);
// Those under way fail: the instance is gone.
asio::awaitable<Result<void>> give_up_failovers(pg::Connection& tx, std::string instance);

// As the API shows it.
struct Failover {
    std::string id;
    std::string kind;
    std::string status;
    std::optional<std::string> old_primary;
    std::optional<std::string> new_primary;
    std::optional<std::int64_t> epoch;
    std::optional<std::string> reason;
    std::optional<std::int64_t> data_loss_bytes;
    Json steps;
    Timestamp started_at;
    std::optional<Timestamp> completed_at;
};
BOOST_DESCRIBE_STRUCT(Failover, (),
                      (id, kind, status, old_primary, new_primary, epoch, reason, data_loss_bytes, steps, started_at,
                       completed_at))
// Newest first.
asio::awaitable<Result<std::vector<Failover>>> list_failovers(pg::Connection& db, std::string instance, int limit);

}  // namespace toygres::cms
