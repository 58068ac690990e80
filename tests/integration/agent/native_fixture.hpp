// A member without a control plane, as a container would run it: an environment, a volume, the real static binary and
// real postgres.
#pragma once
#include "base/process.hpp"
#include "ha/agent_status.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace toygres::test {

class NativeNode {
  public:
    // A primary; its passwords are in files.
    explicit NativeNode(const std::string& name);
    // A replica of that one.
    NativeNode(const std::string& name, const NativeNode& primary);
    ~NativeNode();
    NativeNode(const NativeNode&) = delete;
    NativeNode& operator=(const NativeNode&) = delete;

    // A file below the root, for the pod's user alone; so is its directory.
    void put(const std::string& file, const std::string& text) const;
    void be_primary();
    void be_replica_of(const NativeNode& primary);

    void start();
    // SIGKILL to the agent alone.
    void kill();
    // SIGTERM; how it ended.
    ExitStatus stop();
    // For one that ends by itself.
    ExitStatus wait_end();
    bool running();
    pid_t postmaster_pid() const;

    // A sub-command of the agent in this container.
    Finished command(const std::string& name) const;
    std::optional<ha::AgentStatus> status() const;
    ha::AgentStatus wait_for(const std::string& what, const std::function<bool(const ha::AgentStatus&)>& holds) const;
    void wait_ready(ha::Role role) const;
    // As a replica, from that one.
    void wait_streaming(const NativeNode& primary) const;

    // psql over TCP and TLS.
    Finished psql(const std::string& sql, const std::string& user = "postgres") const;
    // The output of a statement that must succeed.
    std::string query(const std::string& sql) const;
    std::unique_ptr<Child> begin_psql(const std::string& sql);

    std::string log() const;
    // How often data was made: initdb, a clone, a rewind.
    std::size_t made() const;
    // Every file of the volume with its content's size and time of change.
    std::vector<std::string> volume() const;

    std::map<std::string, std::string> environment;
    std::vector<std::string> arguments;  // of the agent; none: as an image's entrypoint
    const std::string root;
    const std::string data_dir = root + "/volume/pgdata";

  private:
    Command psql_command(const std::string& sql, const std::string& user) const;
    std::vector<std::string> as_pod_user(std::vector<std::string> argv) const;

    mutable asio::io_context io_;
    std::unique_ptr<Child> agent_;
};

// Two nodes, of which b streams from a.
struct NativePair {
    NativeNode a{"node-a"};
    NativeNode b{"node-b", a};
    void start();
    // What a has written so far is applied on b.
    void wait_applied() const;
};

inline const std::string native_password = "superuser-of-the-test";
inline const std::string native_replication_password = "replicator of the 'test'";

}  // namespace toygres::test
