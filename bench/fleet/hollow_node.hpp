// The node of a cluster without processes: each StatefulSet has its pods at once, running, ready and with an address,
// and each Service its address. It keeps who lives where.
#pragma once
#include "localkube/addresses.hpp"
#include "localkube/node.hpp"
#include "localkube/object_store.hpp"

#include <cstdint>
#include <string>
#include <unordered_map>

namespace toygres::bench {

class HollowNode : public localkube::Node {
  public:
    HollowNode(asio::io_context& io, localkube::ObjectStore& store);

    // What answers at that address of 127.0.0.0/8.
    struct Place {
        std::string ns;
        std::string instance;  // k8s_name
        std::string member;    // empty: the instance's Service
    };
    // Null when nothing lives there.
    const Place* at(std::uint32_t address) const;

    asio::awaitable<Result<void>> logs(localkube::ObjectPtr pod, localkube::LogQuery query,
                                       std::function<asio::awaitable<bool>(std::string_view)> on_data) override;
    Result<std::unique_ptr<localkube::ExecSession>> exec(localkube::ObjectPtr pod, const std::string& container,
                                                         std::vector<std::string> command, bool tty,
                                                         bool with_stdin) override;

  private:
    void observe(const localkube::WatchEvent& event);
    void keep_pod(const localkube::ObjectKey& set);
    void keep_service(const localkube::ObjectKey& key);

    asio::io_context& io_;
    localkube::ObjectStore& store_;
    localkube::AddressPool pod_addresses_;
    localkube::AddressPool service_addresses_;
    std::unordered_map<std::uint32_t, Place> places_;
    localkube::ObjectStore::Subscription subscription_;
};

}  // namespace toygres::bench
