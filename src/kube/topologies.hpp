// The topologies of all instances as the cluster has them, by one watch of a namespace in place of a read for each
// instance at each look.
#pragma once
#include "kube/client.hpp"

#include <chrono>
#include <map>
#include <memory>
#include <string>

namespace toygres::kube {

class Topologies {
  public:
    explicit Topologies(Client& kube) : kube_(kube) {}
    Topologies(const Topologies&) = delete;
    Topologies& operator=(const Topologies&) = delete;

    // The text under topology.json, as it was last told; the first call for a namespace begins its watch. Null: the
    // ConfigMap is not there, nothing was told yet, or the API does not serve, which is noticed within seconds. Then
    // the API is to be asked.
    const std::string* told(const std::string& ns, const std::string& k8s_name);
    // Somebody asked the API. While there is no watch that counts as told for some seconds: a thousand monitors that
    // ask at each look are what keeps a slow API from being watched again.
    void note_read(const std::string& ns, const std::string& k8s_name, std::string text);

  private:
    struct Read {
        std::string text;
        std::chrono::steady_clock::time_point at;
    };
    struct Namespace {
        bool listed = false;
        std::map<std::string, Read> read;          // by the ConfigMap's name, while nothing is told
        std::map<std::string, std::string> texts;  // by the ConfigMap's name
    };
    static asio::awaitable<void> follow(Client& kube, std::string ns, std::shared_ptr<Namespace> known);
    static asio::awaitable<void> watch_once(Client& kube, std::string ns, std::shared_ptr<Namespace> known);

    Client& kube_;
    std::map<std::string, std::shared_ptr<Namespace>> namespaces_;
};

}  // namespace toygres::kube
