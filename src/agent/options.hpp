// What the agent is told by its command line and environment: who it is and where things are mounted.
#pragma once
#include <chrono>
#include <map>
#include <string>

namespace toygres::agent {

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
    // How long a fast shutdown may take before an immediate one; below the pod's grace period.
    std::chrono::milliseconds stop_timeout{50'000};
    // The same for a primary whose reign is over: nothing that it still does counts.
    std::chrono::milliseconds lost_reign_timeout{3'000};
    // How long a replica may make no progress, while its primary would serve it, before its data is mended.
    std::chrono::milliseconds follow_timeout{15'000};

    std::string volume() const { return data_dir.substr(0, data_dir.rfind('/')); }
};

}  // namespace toygres::agent
