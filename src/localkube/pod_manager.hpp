// The pods of the node: schedules each to it, gives it an address and a worker, keeps the cluster's names and the
// mounted configuration of all of them up to date.
#pragma once
#include "localkube/addresses.hpp"
#include "localkube/controller.hpp"
#include "localkube/pod_worker.hpp"

#include <map>
#include <memory>
#include <set>
#include <string>

namespace toygres::localkube {

class PodManager : public Controller {
  public:
    explicit PodManager(std::shared_ptr<NodeContext> node);

    void start() override;
    void observe(const WatchEvent& event) override;
    void stop() override;

    // Ends the containers of all pods and waits for it; the objects stay.
    asio::awaitable<void> stop_containers();
    // nullptr when the node does not know the pod.
    std::shared_ptr<PodWorker> worker(const std::string& uid) const;
    bool is_claim_in_use(const std::string& ns, const std::string& claim) const;

  private:
    void reconcile(const ObjectKey& key) override;
    void admit(const ObjectPtr& pod);
    void drop_unknown_directories();
    std::string address_for(const Object& pod);
    void refresh_soon();
    void refresh();

    AddressPool addresses_;
    std::map<std::string, std::shared_ptr<PodWorker>> workers_;  // by uid
    std::set<std::string> changed_config_;                       // namespaces
    bool names_changed_ = false;
    bool refresh_posted_ = false;
};

}  // namespace toygres::localkube
