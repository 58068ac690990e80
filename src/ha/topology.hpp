// Who is what in an instance: written by the control plane into the ConfigMap `<k8s>-topology` (key topology.json),
// obeyed by the agents.
#pragma once
#include "base/json.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace toygres::ha {

inline constexpr std::string_view topology_key = "topology.json";

// What one member is told beyond its role.
struct MemberSettings {
    // The value of synchronous_standby_names while this member is the primary; absent or empty: no synchronous standby.
    std::optional<std::string> synchronous_standby_names;
    // Settings of postgresql.conf, by name.
    std::optional<std::map<std::string, std::string>> parameters;
    // true: the server must be down, whatever the role.
    std::optional<bool> fenced;
};
BOOST_DESCRIBE_STRUCT(MemberSettings, (), (synchronous_standby_names, parameters, fenced))

struct Topology {
    std::int64_t epoch;   // number of the current reign; only ever raised
    std::string primary;  // the member that may accept writes in this epoch; empty: none may
    std::map<std::string, MemberSettings> members;
    // true once the instance has had data: from then on an empty volume is a loss, never a reason to start anew.
    // Absent: it has had some when the epoch is above 1.
    std::optional<bool> initialized;
};
BOOST_DESCRIBE_STRUCT(Topology, (), (epoch, primary, members, initialized))

enum class Role { none, primary, replica };
BOOST_DESCRIBE_ENUM(Role, none, primary, replica)

// The role of a member; `none` for one that the topology does not know.
Role role_of(const Topology& topology, const std::string& member);

// Errors: invalid/"invalid_json", invalid/"invalid_field" with the field's path, invalid/"bad_topology": the primary is
// not a member, the epoch is below 1.
Result<Topology> parse_topology(std::string_view text);
// The text for the ConfigMap; equal topologies give equal text.
std::string format_topology(const Topology& topology);

}  // namespace toygres::ha
