// Who is what in an instance: written by the control plane into the ConfigMap `<k8s>-topology` (key topology.json),
// obeyed by the agents.
#pragma once
#include "base/json.hpp"

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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
    // Raised to have a replica's data copied afresh from the primary, whatever it holds; the volume remembers the last
    // number that it obeyed. Absent: 0.
    std::optional<std::int64_t> clone;
};
BOOST_DESCRIBE_STRUCT(MemberSettings, (), (synchronous_standby_names, parameters, fenced, clone))

struct Topology {
    std::int64_t epoch;  // number of the current reign; only ever raised
    // Number of this topology, raised by every change of it, whatever the epoch. A member that has obeyed one never
    // goes back to an older: an old synchronous_standby_names would let a primary acknowledge alone.
    std::int64_t revision;
    // The member that may accept writes in this epoch; empty: none may, replicas run but receive from nobody, so that
    // what they hold can be compared.
    std::string primary;
    std::map<std::string, MemberSettings> members;
    // true once the instance has had data: from then on an empty volume is a loss, never a reason to start anew.
    // Absent: it has had some when the epoch is above 1.
    std::optional<bool> initialized;
};
BOOST_DESCRIBE_STRUCT(Topology, (), (epoch, revision, primary, members, initialized))

// A topology's place in time: by epoch, then by revision.
struct Reign {
    std::int64_t epoch = 0;
    std::int64_t revision = 0;
    auto operator<=>(const Reign&) const = default;
};
BOOST_DESCRIBE_STRUCT(Reign, (), (epoch, revision))
inline Reign reign_of(const Topology& t) { return {t.epoch, t.revision}; }

enum class Role { none, primary, replica };
BOOST_DESCRIBE_ENUM(Role, none, primary, replica)

// The role of a member; `none` for one that the topology does not know. Without a primary all members are replicas.
Role role_of(const Topology& topology, const std::string& member);

// The number at the end of a member's name, "<instance>-<number>"; 0 when there is none.
std::int64_t number_of(const std::string& member);

// The name under which a member streams, "<member>_e<epoch>": a replica of another reign can never acknowledge for
// this.
std::string stream_name(const std::string& member, std::int64_t epoch);
// `ANY 1 ("a_e3", "b_e3")` for synchronous_standby_names; empty for no members.
std::string synchronous_names(const std::vector<std::string>& members, std::int64_t epoch);
// The replication slot of a member on whichever is the primary: its name in the letters that slots may have.
std::string slot_name(const std::string& member);

// Errors: invalid/"invalid_json", invalid/"invalid_field" with the field's path, invalid/"bad_topology": the primary is
// not a member, the epoch is below 1.
Result<Topology> parse_topology(std::string_view text);
// The text for the ConfigMap; equal topologies give equal text.
std::string format_topology(const Topology& topology);

}  // namespace toygres::ha
