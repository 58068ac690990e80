// Replication and failover of an instance as pure functions: what is on record, what is seen, what follows. The monitor
// carries out what is decided here and decides nothing itself; tests explore all of it with a crash after every step.
//
// The whole of correctness is an order of three things: the record in the CMS, the topology that the agents obey (which
// is a function of the record), and what the members report. A step changes the record first; the topology follows from
// it; the next step waits until members report that they obey it.
#pragma once
#include "ha/agent_status.hpp"
#include "ha/lsn.hpp"
#include "ha/topology.hpp"
#include "ha/trouble.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace toygres::ha {

enum class State {
    creating,      // the first member is being made
    single,        // one member, by wish
    joining,       // a standby is being made, nothing streams yet
    catching_up,   // a standby streams
    arming,        // synchronous_standby_names is set, its effect not proven yet
    synced,        // proven: every acknowledged commit is on a standby's disk
    degrading,     // commits shall no longer wait; not proven yet that they do not
    degraded,      // the primary acknowledges alone, no standby streams
    switching,     // a planned change of roles: the old primary is stopped, then the new one promoted
    failing_over,  // an unplanned one: the old primary is fenced, positions compared, the new one promoted
    rejoining,     // after a change of roles, the old primary is not streaming yet
    held,          // by an operator: nothing is changed until resumed
};
BOOST_DESCRIBE_ENUM(State, creating, single, joining, catching_up, arming, synced, degrading, degraded, switching,
                    failing_over, rejoining, held)

enum class Mode { sync, async };
BOOST_DESCRIBE_ENUM(Mode, sync, async)
// What happens to commits when the standby is gone: they wait for it, or after a while the primary goes on alone.
enum class Durability { strict, degrade };
BOOST_DESCRIBE_ENUM(Durability, strict, degrade)

enum class OldPrimary { convert_to_replica, stop_and_retain, terminate };
BOOST_DESCRIBE_ENUM(OldPrimary, convert_to_replica, stop_and_retain, terminate)

// What is wished of an instance as a whole; absent: as it is.
struct Settings {
    std::optional<Mode> mode;
    std::optional<Durability> durability;
    std::optional<bool> automatic_failover;
    Json policy;  // fields of Policy, by name; null: none
    bool operator==(const Settings&) const = default;
};
BOOST_DESCRIBE_STRUCT(Settings, (), (mode, durability, automatic_failover, policy))

enum class Standing {
    joining,  // was added, does not hold yet what it shall
    present,  //
    leaving,  // nobody waits for it any more, once that is proven it is let go
    removed,  // out of the topology; its pod and its disk are being deleted
};
BOOST_DESCRIBE_ENUM(Standing, joining, present, leaving, removed)

// A standby that was added, or is to leave: what is known of it beyond the instance's own mode.
struct Standby {
    Standing standing = Standing::joining;
    Mode mode = Mode::sync;                     // async: its word is never waited for
    std::optional<std::int64_t> max_lag_bytes;  // an alert beyond this; absent: the policy's
    std::optional<std::string> zone;            // topology.kubernetes.io/zone of the node it has to run on
    std::optional<std::string> operation;       // that ends when it is present, or gone
    bool operator==(const Standby&) const = default;
};
BOOST_DESCRIBE_STRUCT(Standby, (), (standing, mode, max_lag_bytes, zone, operation))

inline constexpr std::size_t members_max = 5;
// So long a primary that is told to stop may take to hand over; its agent stays for longer.
inline constexpr std::int64_t hand_over_ms = 25'000;

// What an operator asked for, until it is done or has failed.
struct Request {
    std::string operation;
    std::string kind;    // switchover | failover | promote | resync | add | remove | configure | hold | resume
    std::string target;  // a member; empty: the best one
    bool allow_data_loss = false;
    bool force = false;
    bool dry_run = false;  // tell what would be done, do nothing
    OldPrimary old_primary_action = OldPrimary::convert_to_replica;
    std::int64_t timeout_ms = 60'000;  // for the old primary's stop and the target's receipt of its last word
    std::string reason;
    std::string actor;
    // A switchover of an instance that is not synced waits until then for it to be; absent: it is refused at once.
    std::optional<Timestamp> wait_until;
    std::optional<Standby> standby;    // of the member to add
    std::optional<Settings> settings;  // to configure
    bool operator==(const Request&) const = default;
};
BOOST_DESCRIBE_STRUCT(Request, (),
                      (operation, kind, target, allow_data_loss, force, dry_run, old_primary_action, timeout_ms, reason,
                       actor, wait_until, standby, settings))

// On record in the CMS, changed by advance() alone.
struct Record {
    State state = State::creating;
    Mode mode = Mode::sync;
    Durability durability = Durability::degrade;
    std::int64_t epoch = 1;
    std::int64_t revision = 1;
    std::string primary;               // of this epoch; empty: being chosen
    std::vector<std::string> members;  // by name, in order of their numbers
    std::vector<std::string> armed;    // whose word commits wait for, by the newest topology
    bool failover_safe = false;        // an armed member is proven to hold everything acknowledged
    std::string arming_lsn;            // what it has to reach for the proof; empty: not known yet
    std::string old_primary;           // during and after a change of roles, until it streams
    std::vector<std::string> fenced;
    std::map<std::string, std::int64_t> clones;  // MemberSettings::clone
    bool initialized = false;
    std::optional<Request> request;  // that the present change of roles serves
    std::string failover;            // id of the present change of roles; empty: none
    std::optional<Timestamp> change_began_at;
    std::optional<Timestamp> last_failover_at;
    bool automatic_failover = true;
    // By member; absent for those that came with the instance and stay.
    std::optional<std::map<std::string, Standby>> standbys;
    std::optional<std::int64_t> last_number;  // the highest that a member was ever given; absent: as many as there are
    bool operator==(const Record&) const = default;
};
BOOST_DESCRIBE_STRUCT(Record, (),
                      (state, mode, durability, epoch, revision, primary, members, armed, failover_safe, arming_lsn,
                       old_primary, fenced, clones, initialized, request, failover, change_began_at, last_failover_at,
                       automatic_failover, standbys, last_number))

// What the agents shall obey now.
Topology topology_of(const Record& record);
// What is on record of a standby beyond the instance's mode; null: it came with the instance and stays.
const Standby* standby_of(const Record& record, const std::string& member);
// Commits may wait for its word: a member of a synchronous instance that is neither asynchronous itself nor leaving.
bool may_be_armed(const Record& record, const std::string& member);
// The name of a member that is added: numbers are never given twice, so that nothing an earlier member has left behind
// (a volume, a slot) is taken for its own.
std::string next_member(const Record& record);
// Members whose objects in Kubernetes go.
std::vector<std::string> removed_members(const Record& record);

struct Policy {
    std::int64_t crash_restart_grace_ms = 3'000;  // a primary that ended may come back by itself for so long
    std::int64_t silence_ms = 6'000;              // and one that says nothing counts as gone after so long
    std::int64_t standby_timeout_ms = 3'000;      // commits wait so long for a standby that is gone (degrade)
    std::int64_t lag_to_arm_bytes = 16 << 20;
    std::int64_t cooldown_ms = 300'000;          // between automatic failovers
    std::int64_t disk_reserve_bytes = 32 << 20;  // a primary with less fails for want of room: a standby would too
    // Absent in policies of earlier releases.
    std::optional<std::int64_t> lag_alert_bytes;  // default 10 MB
    std::optional<std::int64_t> lag_alert_ms;     // default 10 s
    std::optional<std::string> custom_check;      // a query whose first value is true while all is well
    std::optional<bool> paused_for_all;           // automatic failover of all instances; not kept with the policy
};
BOOST_DESCRIBE_STRUCT(Policy, (),
                      (crash_restart_grace_ms, silence_ms, standby_timeout_ms, lag_to_arm_bytes, cooldown_ms,
                       disk_reserve_bytes, lag_alert_bytes, lag_alert_ms, custom_check, paused_for_all))
inline constexpr std::int64_t lag_alert_bytes_default = 10'000'000;
inline constexpr std::int64_t lag_alert_ms_default = 10'000;

// One member as it is seen now.
struct MemberView {
    std::optional<AgentStatus> status;  // none: the agent does not answer
    std::int64_t silent_ms = 0;         // since the agent last answered
    std::int64_t down_ms = 0;           // since postgres was last known to serve in its role; 0: it does
    bool gone = false;                  // Kubernetes has no running container for it
    std::int64_t unreplicated_ms = 0;   // of the primary: since an armed member last acknowledged; 0: one does
    std::int64_t astray_ms = 0;         // of a standby: since the primary last saw it get on; 0: it does
    bool erased = false;                // of a removed one: Kubernetes has nothing of it any more
    std::optional<Trouble> trouble{};   // why Kubernetes does not bring it up; none: not known, or nothing is wrong
    std::int64_t trouble_ms = 0;        // since it has been in trouble
};
BOOST_DESCRIBE_STRUCT(MemberView, (),
                      (status, silent_ms, down_ms, gone, unreplicated_ms, astray_ms, erased, trouble, trouble_ms))
// Of the members, and of those that are removed.
using Observation = std::map<std::string, MemberView>;

enum class EventKind {
    primary_ready,      // the first member serves
    standby_streaming,  // `member` streams in this epoch
    standby_caught_up,  // …and is close enough to be waited for
    names_took_effect,  // the primary waits for the armed; `lsn`: what was flushed then
    sync_confirmed,     // an armed member has flushed past that
    standby_lost,       // the armed member is gone (degrade: for longer than commits may wait)
    relaxed,            // the primary no longer waits
    primary_down,       // for longer than a restart in place may take
    primary_leaving,    // it is told to stop and serves still; `member` shall take over
    primary_stopped,    // cleanly, and `member` has received its shutdown checkpoint
    stop_failed,        // the old primary was not stopped cleanly in time
    positions_frozen,   // nobody receives any more; `member` is the one to promote
    old_primary_back,   // with all its data, and the others cannot be compared
    promoted,           // the new primary serves
    switchover_wanted,  // to `member`
    failover_wanted,    // by an operator, to `member`
    resync_wanted,      // `member` shall be cloned afresh
    hold_wanted,
    resume_wanted,
    add_wanted,        // `member` is its name to be
    remove_wanted,     // `member` shall leave
    configure_wanted,  // settings of the request
    member_released,   // nobody waits for `member` any more: out of the topology with it
    member_erased,     // nothing is left of `member`
};
BOOST_DESCRIBE_ENUM(EventKind, primary_ready, standby_streaming, standby_caught_up, names_took_effect, sync_confirmed,
                    standby_lost, relaxed, primary_down, primary_leaving, primary_stopped, stop_failed,
                    positions_frozen, old_primary_back, promoted, switchover_wanted, failover_wanted, resync_wanted,
                    hold_wanted, resume_wanted, add_wanted, remove_wanted, configure_wanted, member_released,
                    member_erased)

struct Event {
    EventKind kind;
    std::string member;
    std::string lsn;
    std::string reason;  // for people
    std::optional<Request> request;
    std::string failover;  // id for a change of roles that begins
    bool operator==(const Event&) const = default;
};
BOOST_DESCRIBE_STRUCT(Event, (), (kind, member, lsn, reason, request, failover))

// The most urgent event that the observation is evidence of; none: all is as it should be, or nothing is known.
std::optional<Event> judge(const Record& record, const Observation& seen, const Policy& policy, Timestamp now);

// What becomes of every state at every event.
enum class Outcome { advance, ignore, refuse };
Outcome outcome(State state, EventKind event);
// The record after the event; revision (and epoch) raised where the topology changes. Errors: conflict/"not_now" where
// outcome() says refuse, conflict/"not_failover_safe" when a promotion might lose acknowledged commits and nobody
// consented, conflict/"bad_target".
Result<Record> advance(const Record& record, const Event& event, Timestamp now);

// Why an automatic failover is not made although the primary is down; empty: it is.
std::string why_no_failover(const Record& record, const Observation& seen, const Policy& policy, Timestamp now);

// The same, once the primary is down, or why a failover that has begun cannot choose whom to promote; none: the primary
// is not down, or the failover is on its way.
std::optional<std::string> blocked_because(const Record& record, const Observation& seen, const Policy& policy,
                                           Timestamp now);

// The request is a switchover that waits for the instance to be synced.
bool waits_for_sync(const Request& request, const Record& record, Timestamp now);

// What an operator's request means now. Errors (all conflict): "primary_healthy", "primary_unhealthy", "not_synced",
// "not_failover_safe", "bad_target", "too_many_members", "asynchronous", "not_now": each says what is in the way and
// what to do.
Result<Event> event_for(const Request& request, const Record& record, const Observation& seen);

// Something that people should look at, for as long as it lasts.
struct Alert {
    std::string kind;    // lag | unprotected | disk_low | member_trouble | kubernetes
    std::string member;  // empty: of the instance
    std::string message;
    std::optional<std::string> reason{};  // Kubernetes' own, of what it does not get on with
};
BOOST_DESCRIBE_STRUCT(Alert, (), (kind, member, message, reason))
// Trouble that lasts for less is what happens while things come and go.
inline constexpr std::int64_t trouble_alert_ms = 15'000;
// All that the observation gives reason for, one of each kind and member. One that is `active` lasts until things are
// clearly better, and while nothing is known.
std::vector<Alert> alerts_of(const Record& record, const Observation& seen, const Policy& policy,
                             const std::vector<Alert>& active);

// The armed or given member that holds the most, among those that obey the record's topology and receive from nobody.
std::optional<std::string> most_advanced(const Record& record, const Observation& seen);

}  // namespace toygres::ha
