// What operators may ask of an instance's replication, and the transaction that accepts it. Whether it can be granted
// is for the monitor to say, which looks at the members: the operation's end tells.
#pragma once
#include "api/accept.hpp"

#include <optional>
#include <string>

namespace toygres::api {

struct ReplicationBody {
    std::optional<std::string> target;              // a member's name or number; absent: the best one
    std::optional<std::string> timeout;             // "60s": for the old primary to hand over
    std::optional<std::string> old_primary_action;  // convert_to_replica | stop_and_retain
    std::optional<bool> force;
    std::optional<bool> allow_data_loss;
    std::optional<bool> dry_run;
    std::optional<std::string> reason;
};
BOOST_DESCRIBE_STRUCT(ReplicationBody, (),
                      (target, timeout, old_primary_action, force, allow_data_loss, dry_run, reason))

// `kind`: switchover, failover, resync, hold or resume. Errors: invalid/"invalid_request" with every field that is
// wrong; not_found/"instance_not_found"; conflict/"instance_not_running", "request_pending", "operation_in_progress".
asio::awaitable<Result<Accepted>> change_replication(const Call& call, std::string kind, std::string name,
                                                     ReplicationBody body, std::string digest);

}  // namespace toygres::api
