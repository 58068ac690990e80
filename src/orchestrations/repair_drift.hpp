// Mends what the cluster and the CMS differ in: one object after the other, each with its entry in the audit. What is
// not clearly this installation's own, is young, or holds data stays.
#pragma once
#include "runtime/core/orchestration_context.hpp"

#include <optional>
#include <string>
#include <vector>

namespace toygres::orchestrations {

struct RepairDrift {
    static constexpr std::string_view name = "repair_drift";
    static constexpr std::string_view id = "repair-drift";  // one at a time
    static constexpr int version = 1;
    struct Input {
        std::string ns;  // besides those of the instances
        std::int64_t grace_ms;
        bool remove_volumes;
        std::string caller;
        std::string request_id;
    };
    struct Action {
        std::string repair;
        std::string kind;
        std::string object;
        std::optional<Error> error;  // none: it is done
    };
    struct Output {
        std::vector<Action> actions;
        bool more;  // there is more to mend: repair again
    };
    // Errors: those of the look at the cluster and the CMS. An action that fails is in the output, the others are done.
    static runtime::Task<Output> run(runtime::OrchestrationContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(RepairDrift::Input, (), (ns, grace_ms, remove_volumes, caller, request_id))
BOOST_DESCRIBE_STRUCT(RepairDrift::Action, (), (repair, kind, object, error))
BOOST_DESCRIBE_STRUCT(RepairDrift::Output, (), (actions, more))

}  // namespace toygres::orchestrations
