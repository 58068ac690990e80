// What the API works with. Made by src/app, which keeps it alive.
#pragma once
#include "api/rate_limit.hpp"
#include "base/asio.hpp"
#include "base/secret.hpp"
#include "ha/agent_status.hpp"
#include "kube/client.hpp"
#include "pg/pool.hpp"
#include "runtime/host/client.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace toygres::api {

// What must work for this process to serve requests.
struct Readiness {
    bool database;
    bool kubernetes;
    bool runtime;  // this process runs orchestrations
};

struct ApiServices {
    asio::io_context& io;
    std::shared_ptr<pg::Pool> pool;
    runtime::Client& client;
    kube::Client& kube;
    const Sealer& sealer;
    std::string ns;                                 // where instances are made
    std::string name = {};                          // of this process
    std::vector<kube::Permission> permissions{};    // what it needs in the cluster
    std::optional<std::string> storage_class = {};  // of the instances' disks; nullopt: the cluster's default
    std::vector<std::string> postgres_versions;     // majors that may be asked for; the newest is the default
    Rate rate = {};                                 // of each token's calls
    std::function<Readiness()> readiness;
    // What the agents of an instance's members say now, of those that answer soon.
    std::function<asio::awaitable<std::map<std::string, ha::AgentStatus>>(std::string k8s_name, std::string ns,
                                                                          std::vector<std::string> members)>
        ask_members;
    // What cluster and CMS differ in: an array of activities::DriftFinding. Errors are thrown.
    std::function<asio::awaitable<Json>(std::chrono::milliseconds grace, bool remove_volumes)> find_drift{};
    // What the runtime of this process holds, see runtime::Host::view().
    std::function<Json(const std::string& id_prefix, std::size_t most)> view_runtime{};
    // Sets the gauges of what this process holds, just before they are read.
    std::function<void()> observe = [] {};
    // Whether this release has orchestrations of that type.
    std::function<bool(const std::string& type)> knows_orchestration;
};

}  // namespace toygres::api
