// The pods of all instances, as the API server tells of changes: one watch of a namespace in place of a list for each
// instance every few seconds.
#pragma once
#include "kube/client.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace toygres::kube {

struct PodFacts {
    std::string member;
    std::string uid;
    std::string address;  // empty: none yet
    std::string role;     // the label; empty: none
    bool running;         // its postgres container runs, and it is not being deleted
};
PodFacts facts_of(const Json& pod);

class Pods {
  public:
    explicit Pods(Client& kube);
    ~Pods();
    Pods(const Pods&) = delete;
    Pods& operator=(const Pods&) = delete;

    // The instance's pods as they were last told of; the first call for a namespace begins its watch. nullopt: nothing
    // was told yet, or the watch failed. A connection that broke is noticed at once, one that is silent after the 150 s
    // of watch.hpp: for what matters at once, ask the API.
    std::optional<std::vector<PodFacts>> told(const std::string& ns, const std::string& k8s_name);

  private:
    struct Namespace;
    static asio::awaitable<void> follow(Client& kube, std::string ns, std::shared_ptr<Namespace> known);

    Client& kube_;
    std::map<std::string, std::shared_ptr<Namespace>> namespaces_;
};

}  // namespace toygres::kube
