// What the agent does next, as a pure function of what it sees. Everything that can lose data is decided here.
#pragma once
#include "ha/topology.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace toygres::agent {

enum class Data {
    absent,   // there is no data directory
    whole,    // a data directory as initdb leaves it
    foreign,  // something is there that initdb did not finish, or another major version's
};

enum class Server { down, starting, running, stopping };

struct Situation {
    bool stop_requested;  // SIGTERM
    std::string member;
    std::optional<ha::Topology> topology;  // the newest that is known
    std::int64_t epoch_seen;               // the highest that this volume has obeyed
    Data data;
    bool replica_data;  // standby.signal is there
    bool volume_busy;   // another agent, or the processes of a server that died, still use the volume
    Server server;
    ha::Role server_role;         // what it was started as; `none` while down
    bool restart_pause_over;      // after a server that ended by itself, or an initdb that failed
    bool configuration_outdated;  // the files differ from what the topology and the Secrets now ask for
};

enum class Action {
    wait,           // the server is down and stays down, for the reason given
    bootstrap,      // make the data directory
    start_primary,  // read-write
    keep,           // let the server be
    reload,         // rewrite the configuration, SIGHUP
    stop,           // fast shutdown
    exit,           // the agent's own end
};
BOOST_DESCRIBE_ENUM(Action, wait, bootstrap, start_primary, keep, reload, stop, exit)

struct Decision {
    Action action;
    std::string reason;  // for people, in /status and the log; empty when the action speaks for itself
    bool operator==(const Decision&) const = default;
};

// The rules, in order of precedence: a stop request; a topology that is unknown or older than one obeyed before changes
// nothing that runs and starts nothing; fencing; the role; the data. Only the primary of the current epoch starts
// read-write. An empty volume is initialised only while nothing says that the instance has had data: not the topology
// (`initialized`; when it does not say, any epoch above 1 does), not the volume's own note of an epoch.
Decision decide(const Situation& s);

}  // namespace toygres::agent
