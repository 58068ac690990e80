// What the agent does next, as a pure function of what it sees. Everything that can lose data is decided here.
#pragma once
#include "agent/volume_note.hpp"
#include "ha/topology.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace toygres::agent {

enum class Data {
    absent,   // there is no data directory
    whole,    // a data directory as initdb or a clone leaves it
    foreign,  // something is there that initdb did not finish, or another major version's
};

enum class Server { down, starting, running, stopping };

// Does a replica's data lead on from its primary's? Anything but `well` was found out while the primary could be asked.
enum class Following {
    well,      // as far as is known
    diverged,  // it makes no progress: its data is to be compared with the primary's, and rewound
    lost,      // that did not help, or cannot be done
};

struct Situation {
    bool stop_requested;  // SIGTERM
    bool may_hand_over;   // …and there is time left for a standby to take over before the pod is killed
    bool heir;            // a standby that commits wait for streams from this server
    std::string member;
    std::optional<ha::Topology> topology;  // the newest that is known
    std::optional<VolumeNote> note;        // nullopt: there is one that cannot be read
    Data data;
    bool replica_data;  // standby.signal is there
    Following following;
    // Data that cannot be followed on is kept until its operator says otherwise: nobody else knows what it is worth.
    bool keeps_lost_data;
    bool volume_busy;  // another agent, or the processes of a server that died, still use the volume
    Server server;
    ha::Role server_role;       // what it was started as, or promoted to; `none` while down
    std::int64_t server_epoch;  // of the topology that a primary was last configured by
    bool promoting;             // it has been told to leave recovery and has not yet
    bool checkpointed;          // it has, as the first half of a stop in good order
    bool restart_pause_over;    // after a server that ended by itself, or an attempt at its data that failed
    // The files differ from what the topology and the Secrets now ask for, and the server would hear of it.
    bool configuration_outdated;
};

enum class Action {
    wait,           // the server is down and stays down, for the reason given
    pause,          // it stays down until a while has passed since the last failure
    bootstrap,      // make the data directory
    clone,          // copy the primary's data in place of whatever is there
    rewind,         // compare the data with the primary's, undo what the primary does not have, make it a replica's
    start_primary,  // read-write
    start_replica,  // in recovery
    promote,        // a running replica becomes read-write
    keep,           // let the server be
    reload,         // rewrite the configuration, SIGHUP
    checkpoint,     // write everything out, so that the stop that follows is short
    stop,           // fast shutdown
    stop_now,       // fast shutdown with little patience: the server's reign is over
    exit,           // the agent's own end
};
BOOST_DESCRIBE_ENUM(Action, wait, pause, bootstrap, clone, rewind, start_primary, start_replica, promote, keep, reload,
                    checkpoint, stop, stop_now, exit)

struct Decision {
    Action action;
    std::string reason;  // for people, in /status and the log; empty when the action speaks for itself
    bool operator==(const Decision&) const = default;
};

// The rules, in order of precedence: a stop request, which a primary obeys when its role is handed over, or cannot be
// in time; a topology that is unknown or older than one obeyed before changes nothing that runs and starts nothing;
// fencing; the role; the data.
//
// Only the primary of the newest topology starts read-write or is promoted. Data is overwritten only in a replica whose
// primary is known: when there is none, when the control plane asks for it, when a rewind was broken off, or when the
// primary's cannot be followed (unless such data is kept). A former primary's data is never started as a replica's
// before it was compared with the new primary's. An empty volume is initialised only while nothing says that the
// instance has had data: not the topology (`initialized`; when it does not say, any epoch above 1 does), not the
// volume's own note.
Decision decide(const Situation& s);

}  // namespace toygres::agent
