// The whole embedded cluster: objects, API and node over one directory, which holds all that it is:
//   objects.db  ca.crt ca.key  admin.token  token.key  port  kubeconfig  cluster.pid  cluster.lock
//   pods/ volumes/ logs/
#pragma once
#include "base/asio.hpp"
#include "localkube/api_server.hpp"
#include "localkube/local_node.hpp"
#include "localkube/pod_reaper.hpp"
#include "localkube/process.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace toygres::localkube {

struct ClusterOptions {
    std::string state_dir;
    std::string address = "127.0.0.1";
    unsigned short port = 0;                  // 0: the one it had before; a free one the first time
    std::string agent_path;                   // see LocalNodeOptions
    std::vector<std::string> shim_command;    // see LocalNodeOptions
    std::string kube_namespace = "toygres";   // made, and what the kubeconfig points at
    std::vector<std::string> hidden_paths{};  // see LocalNodeOptions
    std::chrono::milliseconds restart_backoff{10'000};
};

class Cluster {
  public:
    // Takes the directory for itself. Throws ErrorException: conflict/"cluster_running" when another process has it,
    // invalid/"address_unusable", internal/"store_unusable".
    Cluster(asio::io_context& io, ClusterOptions options);
    ~Cluster();
    Cluster(const Cluster&) = delete;
    Cluster& operator=(const Cluster&) = delete;

    // Adopts pods, serves the API, writes the kubeconfig (mode 0600).
    void start();
    // Pods live on unless `stop_pods`; either way the next start goes on from here.
    asio::awaitable<void> stop(bool stop_pods);

    unsigned short port() const;
    std::string kubeconfig_path() const;

    class Impl;

  private:
    std::unique_ptr<Impl> impl_;
};

// Runs until SIGTERM or SIGINT (pods live on) or SIGUSR1 (pods are ended). Gives the exit code of the process.
int run_cluster(ClusterOptions options);

// The process that runs the cluster of that directory now.
std::optional<ProcessId> running_cluster(const std::string& state_dir);

// For `toygres down`: ends the cluster's process if there is one, and its pods if asked for, whether there is one or
// not. Blocks. Error: timeout/"cluster_not_ended".
Result<void> end_cluster(const std::string& state_dir, bool stop_pods,
                         std::chrono::seconds time_limit = std::chrono::seconds(90));

}  // namespace toygres::localkube
