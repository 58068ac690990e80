// The node and the controllers of the embedded cluster: pods as bubblewrap sandboxes of real processes, Services as TCP
// proxies, StatefulSets, Jobs, CronJobs, volume binding, garbage collection.
#pragma once
#include "base/asio.hpp"
#include "localkube/node.hpp"
#include "localkube/object_store.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace toygres::localkube {

struct LocalNodeOptions {
    std::string state_dir;   // pods/, volumes/, logs/ go below it; absolute
    std::string api_url;     // what pods reach the API server by (KUBERNETES_SERVICE_HOST / _PORT)
    std::string api_ca_pem;  // mounted into pods beside their token
    std::string agent_path;  // what the image "toygres-agent:…" holds: this file as /toygres-agent
    // Makes a token for a service account; the API server's `authenticate` accepts it.
    std::function<std::string(const std::string& ns, const std::string& service_account)> mint_token;
    // The program and arguments that end up in container_shim_main: {"/usr/bin/toygres", "container-shim"}.
    std::vector<std::string> shim_command;
    // Directories of the host that no container may see, beside state_dir, /home, /root, /run and /tmp.
    std::vector<std::string> hidden_paths;
    // The wait before the second restart of a container; doubles with each one, up to 30 times as much.
    std::chrono::milliseconds restart_backoff{10'000};
};

class LocalNode : public Node {
  public:
    LocalNode(asio::io_context& io, LocalNodeOptions options, ObjectStore& store);
    ~LocalNode() override;

    // Adopts the pods that still run from before, then runs the controllers until stop().
    void start();
    // Stops controllers and proxies. `stop_pods`: also ends every pod (SIGTERM, grace, SIGKILL); otherwise they live on
    // and are adopted by the next start.
    asio::awaitable<void> stop(bool stop_pods);

    asio::awaitable<Result<void>> logs(ObjectPtr pod, LogQuery query,
                                       std::function<asio::awaitable<bool>(std::string_view)> on_data) override;
    Result<std::unique_ptr<ExecSession>> exec(ObjectPtr pod, const std::string& container,
                                              std::vector<std::string> command, bool tty, bool with_stdin) override;

    class Impl;

  private:
    std::unique_ptr<Impl> impl_;
};

}  // namespace toygres::localkube
