// The monitor's work on replication, one look and one step at a time; creation does it too until all is in order.
#pragma once
#include "activities/instance_ref.hpp"
#include "ha/model.hpp"
#include "runtime/core/orchestration_context.hpp"

#include <chrono>
#include <string>

namespace toygres::orchestrations {

// What is on record when an instance is created: `members` of them, the first is the primary.
ha::Record first_record(const std::string& k8s_name, int members, ha::Mode mode, ha::Durability durability);

struct Tended {
    bool advanced;  // something was done: look again at once
    ha::State state;
    std::optional<std::int64_t> lag_bytes;
};
// Looks for at most `duration`, less when there is something to do or a "wake" signal comes, and does it. A look that
// fails is tried again, after a pause.
runtime::Task<Tended> tend_replication(runtime::OrchestrationContext& ctx, activities::InstanceRef instance,
                                       std::chrono::milliseconds duration);

// Until replication is as wished for a new instance. Error: timeout/"replication_not_ready" with the state it got to.
runtime::Task<Nothing> tend_until_ready(runtime::OrchestrationContext& ctx, activities::InstanceRef instance,
                                        ha::Mode mode, std::chrono::milliseconds timeout);

}  // namespace toygres::orchestrations
