// What the activities work with: the database, the cluster, the templates, the sealing key. Made by src/app.
#pragma once
#include "activities/instance_ref.hpp"
#include "activities/kept_sessions.hpp"
#include "activities/member_watch.hpp"
#include "base/gate.hpp"
#include "base/secret.hpp"
#include "kube/agents.hpp"
#include "kube/client.hpp"
#include "kube/manifests.hpp"
#include "kube/pods.hpp"
#include "kube/topologies.hpp"
#include "pg/pool.hpp"
#include "runtime/host/client.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace toygres::activities {

// Where an instance is reached, as its user reaches it.
struct InstanceEndpoint {
    std::string address;   // of its Service
    std::string dns_name;  // the Service's name in the cluster, which its certificate carries
    Secret conninfo;       // libpq's, with the password
};

class InstanceServices {
  public:
    InstanceServices(std::shared_ptr<pg::Pool> pool, kube::Client& kube, const kube::Templates& templates,
                     const Sealer& sealer, runtime::Client& orchestrations, std::string agent_image,
                     std::optional<std::string> storage_class, std::string scratch_directory,
                     std::string installation = {});
    ~InstanceServices();

    // From the Service and the Secrets, kept for a while; forget() after a failed connection. Errors: those of the
    // Kubernetes client; transient/"no_address" while a load balancer has none.
    asio::awaitable<Result<InstanceEndpoint>> endpoint(std::string k8s_name, std::string ns);
    void forget(const std::string& k8s_name);
    // Its certificates or its password are new: from now on agents are asked with them, and sessions begun.
    void forget_certificates(const std::string& k8s_name);

    // What the agents of those members say now, of those that answer within a second or two.
    asio::awaitable<std::map<std::string, ha::AgentStatus>> ask_members(InstanceRef instance,
                                                                        std::vector<std::string> members);

    // `placement`: kube::Placement, as it was chosen; what it leaves open is the server's default.
    kube::InstanceSpec spec(const InstanceShape& shape, const Json& placement = Json::object()) const;
    // What this process has seen of an instance's members so far. Valid as long as somebody looks through it: what is
    // known of instances that nobody looked at for hours, because they are gone or watched elsewhere, is dropped.
    MemberWatch& watch(const InstanceRef& instance);

    // The orchestration that a committed step has started begins at once.
    void announce(std::string orchestration);
    // Posts an alert to the webhook of this server; none: there is none.
    std::function<asio::awaitable<Result<void>>(Json alert)> post_alert;

    // The id of this control plane, which objects carry as a label; empty: not known.
    const std::string& installation() const { return installation_; }

    std::shared_ptr<pg::Pool> pool;
    KeptSessions sessions;  // of the monitors
    // For whoever logs in to an instance. A log-in is work for this thread, mostly; begun all at once, none of a
    // thousand ends in time, and each begins again.
    Gate log_ins;
    kube::Client& kube;
    kube::Topologies topologies;
    const kube::Templates& templates;
    const Sealer& sealer;
    runtime::Client& orchestrations;

  private:
    void drop_unwatched();

    std::string agent_image_;
    std::optional<std::string> storage_class_;
    std::string scratch_;  // CA files for libpq
    std::string installation_;
    std::map<std::string, InstanceEndpoint> endpoints_;
    kube::Agents agents_;
    kube::Pods pods_;
    struct Watched {
        std::unique_ptr<MemberWatch> members;
        std::chrono::steady_clock::time_point asked_for_at;
    };
    std::map<std::string, Watched> watches_;  // by k8s_name
    std::chrono::steady_clock::time_point dropped_at_ = std::chrono::steady_clock::now();
};

}  // namespace toygres::activities
