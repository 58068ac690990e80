// What a hollow member knows of its instance, read from the cluster as its agent and its postgres would: certificate,
// password, topology; and what it says of itself.
#pragma once
#include "base/secret.hpp"
#include "fleet/hollow_node.hpp"
#include "fleet/scram.hpp"
#include "fleet/sight.hpp"
#include "ha/agent_status.hpp"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <unordered_map>

namespace toygres::bench {

struct Identity {
    std::shared_ptr<X509> certificate;
    std::shared_ptr<EVP_PKEY> key;
};

struct HollowInstance {
    std::size_t number;  // place in Sight
    std::string ns;
    std::string k8s_name;
    localkube::ObjectPtr tls_secret;
    Identity identity;
    localkube::ObjectPtr superuser_secret;
    Verifier verifier;
    localkube::ObjectPtr config_map;
    ha::Topology topology;
};

class HollowInstances {
  public:
    HollowInstances(localkube::ObjectStore& store, Sight& sight) : store_(store), sight_(sight) {}

    // Brought up to what the cluster has now. Errors as ErrorException: not_found/"hollow_object_missing".
    HollowInstance& get(const HollowNode::Place& place);
    const Verifier& verifier(HollowInstance& instance);
    // The member that a Service of the instance leads to: the one that is labelled as the primary; empty: none.
    std::string primary_of(const HollowInstance& instance) const;
    ha::AgentStatus status_of(HollowInstance& instance, const std::string& member);

  private:
    localkube::ObjectPtr object(const char* resource, const HollowInstance& instance, const std::string& name) const;

    localkube::ObjectStore& store_;
    Sight& sight_;
    std::unordered_map<std::string, std::unique_ptr<HollowInstance>> instances_;
    Timestamp started_at_ = now();
};

}  // namespace toygres::bench
