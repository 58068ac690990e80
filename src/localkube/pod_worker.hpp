// One pod on the node: lays out its volumes, runs its containers in order, restarts them by policy, ends them, and
// keeps the pod's status true. Every event leads to the same function, which looks at what is and does what is due.
#pragma once
#include "localkube/container.hpp"
#include "localkube/node_context.hpp"

#include <memory>
#include <set>
#include <string>
#include <vector>

namespace toygres::localkube {

class PodWorker : public std::enable_shared_from_this<PodWorker> {
  public:
    // `is_claim_held` tells whether another pod's processes still use a claim's directory though that pod is gone.
    // `on_gone` is called once, when nothing of the pod is left.
    struct Hooks {
        std::function<bool(const PodWorker&, const std::string& claim)> is_claim_held;
        std::function<void(const std::string& uid)> on_gone;
    };
    PodWorker(std::shared_ptr<NodeContext> node, ObjectPtr pod, std::string address, Hooks hooks);

    // Finds what still runs from before, then goes on from there.
    void begin();
    // The pod's object changed.
    void update(ObjectPtr pod);
    // The pod's object is gone: whatever runs is killed.
    void orphan();
    // A Secret, a ConfigMap, a claim or a service account of the namespace changed.
    void config_changed();
    // Ends all containers as if deleted, but leaves the object; for the cluster's own end.
    void stop_containers();
    void forget();

    const ObjectPtr& pod() const { return pod_; }
    const std::string& uid() const { return uid_; }
    const std::string& address() const { return address_; }
    bool is_orphan() const { return orphan_; }
    bool has_running_containers() const;
    bool uses_claim(const std::string& claim) const;
    // nullptr when the pod has none of that name; an empty name is the first main container.
    std::shared_ptr<Container> container(const std::string& name) const;
    // Writes the hosts file that the containers see; `common` is what all pods of the namespace share.
    void write_hosts(const std::string& common);

  private:
    void schedule();
    void schedule_after(std::chrono::milliseconds delay);
    void sync();
    bool prepare();
    // True once all init containers are done.
    bool run_init_containers();
    bool start_if_due(Container& container);
    bool should_restart(const Container& container) const;
    bool check_deadline();
    void terminate();
    void finish();
    void write_status();
    PodView view() const;
    Object effective(const Object& pod) const;

    std::shared_ptr<NodeContext> node_;
    ObjectPtr pod_;
    std::string uid_;
    std::string address_;
    Hooks hooks_;
    std::string start_time_;
    std::vector<std::shared_ptr<Container>> init_, main_;
    std::map<std::string, std::string> volumes_;
    std::string hosts_;
    std::string volume_problem_;
    asio::steady_timer timer_;
    bool scheduled_ = false;
    bool prepared_ = false;
    bool orphan_ = false;
    bool stopping_ = false;
    bool finished_ = false;
    std::set<std::string> announced_;  // containers whose end was told in an event
    std::string failed_reason_, failed_message_;
};

}  // namespace toygres::localkube
