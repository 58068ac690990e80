// The steps of a repair of drift: what is to be done, and each of it with its entry in the audit.
#pragma once
#include "activities/drift_finding.hpp"
#include "activities/instance_ref.hpp"
#include "base/json.hpp"
#include "runtime/host/activity_context.hpp"

#include <optional>
#include <string>
#include <vector>

namespace toygres::activities {

// Finds what a repair may mend.
struct FindDrift {
    static constexpr std::string_view name = "find_drift";
    struct Input {
        std::string ns;
        std::int64_t grace_ms;
        bool remove_volumes;
    };
    struct Output {
        std::vector<DriftFinding> actions;
        bool more;  // there is more than one repair takes on
    };
    static asio::awaitable<Output> run(runtime::ActivityContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(FindDrift::Input, (), (ns, grace_ms, remove_volumes))
BOOST_DESCRIBE_STRUCT(FindDrift::Output, (), (actions, more))

// Makes an object of a running instance anew, or gives one that is there its labels back. A superuser's Secret that is
// gone comes back with a new password, which the agent sets. Errors: conflict/"instance_not_running",
// conflict/"other_installation", conflict/"ca_lost"; those of the Kubernetes client.
struct RestoreObject {
    static constexpr std::string_view name = "restore_object";
    struct Input {
        std::string instance;  // id
        std::string kind;
        std::string object;
    };
    struct Output {
        std::string outcome;  // applied | adopted
    };
    static asio::awaitable<Output> run(runtime::ActivityContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(RestoreObject::Input, (), (instance, kind, object))
BOOST_DESCRIBE_STRUCT(RestoreObject::Output, (), (outcome))

// Removes one object, if it is still that object and still nobody's. Ends when it is gone. Errors:
// conflict/"instance_on_record", conflict/"other_installation", conflict/"kube_conflict" for another one of that name.
struct RemoveOrphan {
    static constexpr std::string_view name = "remove_orphan";
    struct Input {
        std::string k8s_name;
        std::string kind;
        std::string ns;
        std::string object;
        std::string uid;
    };
    using Output = Nothing;
    static asio::awaitable<Output> run(runtime::ActivityContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(RemoveOrphan::Input, (), (k8s_name, kind, ns, object, uid))

// The entry of one action, before it is done.
struct BeginRepair {
    static constexpr std::string_view name = "cms_begin_repair";
    struct Input {
        DriftFinding finding;
        std::string caller;
        std::string request_id;
    };
    struct Output {
        std::int64_t entry;
    };
    static asio::awaitable<Output> run(runtime::StepContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(BeginRepair::Input, (), (finding, caller, request_id))
BOOST_DESCRIBE_STRUCT(BeginRepair::Output, (), (entry))

// And what came of it, there and among the drift on record.
struct EndRepair {
    static constexpr std::string_view name = "cms_end_repair";
    struct Input {
        std::int64_t entry;
        DriftFinding finding;
        std::string caller;
        std::optional<std::string> code;  // of the error; none: it is done
    };
    using Output = Nothing;
    static asio::awaitable<Output> run(runtime::StepContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(EndRepair::Input, (), (entry, finding, caller, code))

}  // namespace toygres::activities
