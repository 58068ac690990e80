// What the agent is told by its command line and environment: who it is and where things are mounted.
#pragma once
#include "ha/topology.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <string>

namespace toygres::agent {

// Of a member without a control plane (see native.hpp): what its environment says in place of what others learn from
// the topology and from the instance's name.
struct Native {
    ha::Topology topology;  // this member and, for a replica, its primary; until it is promoted by hand
    ha::Role role;          // REPLICATION_ROLE; `none`: an instance that stands alone
    std::string primary_host;
    unsigned short primary_port;
    std::string superuser;  // POSTGRES_USER: beside `postgres`, or that itself
    std::string tls_dir;    // TLS_DIR; empty: the certificate is the member's own, and nobody can verify it
    bool reclone;
};

struct Options {
    std::string instance;  // TOYGRES_INSTANCE: the k8s_name; the name that certificates carry
    std::string member;    // TOYGRES_MEMBER
    std::string address;   // POD_IP
    std::string ns;        // POD_NAMESPACE
    std::string data_dir;  // PGDATA; its parent is the volume
    std::string socket_dir = "/run/postgresql";
    std::string private_dir = "/run/toygres-private";
    std::string superuser_dir = "/run/toygres/superuser";      // password
    std::string replication_dir = "/run/toygres/replication";  // username, password
    std::string tls_dir = "/run/toygres/tls";                  // ca.crt, tls.crt, tls.key
    std::string topology_dir = "/run/toygres/topology";        // topology.json
    std::string api_dir = "/run/toygres/api";                  // token, ca.crt; may be absent
    unsigned short postgres_port = 5432;
    unsigned short agent_port = 8443;
    // Where members are whose names nobody resolves, by member; their certificates are checked by name all the same.
    std::map<std::string, std::string> peer_addresses{};
    // How long a stop may take before it becomes an immediate shutdown; below the pod's grace period.
    std::chrono::milliseconds stop_timeout{50'000};
    // How much of that a primary waits for a standby to take over, before it begins.
    std::chrono::milliseconds hand_over_timeout{20'000};
    // The same for a primary whose reign is over: nothing that it still does counts.
    std::chrono::milliseconds lost_reign_timeout{3'000};
    // How long a replica may make no progress, while its primary would serve it, before its data is mended.
    std::chrono::milliseconds follow_timeout{15'000};
    std::optional<Native> native{};

    std::string volume() const { return data_dir.substr(0, data_dir.rfind('/')); }
    // Of postgres; the agent's own endpoint always has tls_dir's.
    const std::string& postgres_tls_dir() const {
        return native && !native->tls_dir.empty() ? native->tls_dir : tls_dir;
    }
};

}  // namespace toygres::agent
