// One difference between the cluster and the CMS, as it is shown, stored and repaired.
#pragma once
#include "base/json.hpp"

#include <optional>
#include <string>

namespace toygres::activities {

// `repair` is what would mend it; with `kept` a repair leaves it alone, and that is why.
struct DriftFinding {
    std::string type;    // orphaned_k8s | orphaned_cms | state_mismatch
    std::string reason;  // no_instance | instance_deleted | not_of_instance | object_missing | foreign_owner |
                         // monitor_missing | monitor_surplus
    std::string kind;    // of the object, or "Monitor"
    std::string object;
    std::string ns;
    std::string k8s_name;
    std::optional<std::string> instance;     // its name, when it is on record
    std::optional<std::string> instance_id;  // and its id
    std::optional<std::string> uid;          // of an object that is there
    std::optional<Timestamp> created_at;
    std::string message;
    std::optional<std::string> repair;  // remove | apply | start_monitor | stop_monitor
    std::optional<std::string> kept;    // too_young | other_installation | volume | volume_stays | being_deleted |
                                        // live_instance | monitor | certificates
};
BOOST_DESCRIBE_STRUCT(DriftFinding, (),
                      (type, reason, kind, object, ns, k8s_name, instance, instance_id, uid, created_at, message,
                       repair, kept))

}  // namespace toygres::activities
