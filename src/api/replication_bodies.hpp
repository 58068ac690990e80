// What operators may ask of an instance's replication, as they write it, and the request of the monitor that follows.
#pragma once
#include "api/problem.hpp"
#include "ha/model.hpp"

#include <optional>
#include <string>

namespace toygres::api {

// Of switchover, failover, promote, resync, hold, resume.
struct RolesBody {
    std::optional<std::string> target;              // a member's name or number; absent: the best one
    std::optional<std::string> timeout;             // "60s": for the old primary to hand over
    std::optional<bool> wait_for_sync;              // a switchover waits until the instance is synced…
    std::optional<std::string> sync_timeout;        // …for at most "300s"
    std::optional<std::string> old_primary_action;  // convert_to_replica | stop_and_retain | terminate
    std::optional<bool> force;
    std::optional<bool> allow_data_loss;
    std::optional<bool> dry_run;
    std::optional<std::string> reason;
};
BOOST_DESCRIBE_STRUCT(RolesBody, (),
                      (target, timeout, wait_for_sync, sync_timeout, old_primary_action, force, allow_data_loss,
                       dry_run, reason))

struct ReplicaBody {
    std::optional<std::string> mode;  // sync | async
    std::optional<std::string> zone;
    std::optional<std::int64_t> max_lag_bytes;
    std::optional<std::string> reason;
};
BOOST_DESCRIBE_STRUCT(ReplicaBody, (), (mode, zone, max_lag_bytes, reason))

// How patient the monitor of an instance is; durations as "3s".
struct PolicyBody {
    std::optional<std::string> crash_restart_grace;
    std::optional<std::string> silence;
    std::optional<std::string> standby_timeout;
    std::optional<std::string> cooldown;
    std::optional<std::string> lag_alert;
    std::optional<std::int64_t> lag_alert_bytes;
    std::optional<std::int64_t> lag_to_arm_bytes;
    std::optional<std::int64_t> disk_reserve_bytes;
    std::optional<std::string> custom_check;  // empty: none
};
BOOST_DESCRIBE_STRUCT(PolicyBody, (),
                      (crash_restart_grace, silence, standby_timeout, cooldown, lag_alert, lag_alert_bytes,
                       lag_to_arm_bytes, disk_reserve_bytes, custom_check))

struct SettingsBody {
    std::optional<std::string> mode;        // sync | async
    std::optional<std::string> durability;  // strict | degrade
    std::optional<bool> automatic_failover;
    std::optional<PolicyBody> policy;
    std::optional<std::string> reason;
};
BOOST_DESCRIBE_STRUCT(SettingsBody, (), (mode, durability, automatic_failover, policy, reason))

// Error of all: invalid/"invalid_request" with every field that is wrong.
Result<ha::Request> roles_request(const std::string& kind, RolesBody body);
Result<ha::Request> add_request(ReplicaBody body);
Result<ha::Request> settings_request(SettingsBody body);

}  // namespace toygres::api
