// Asks the agents of members how they are, over mutual TLS with the instance's own certificates.
#pragma once
#include "base/asio.hpp"
#include "base/secret.hpp"
#include "ha/agent_status.hpp"
#include "kube/client.hpp"

#include <chrono>
#include <map>
#include <memory>
#include <string>

namespace toygres::kube {

class Agents {
  public:
    Agents(asio::any_io_executor executor, Client& kube);
    ~Agents();

    struct Member {
        std::string k8s_name;
        std::string ns;
        std::int64_t ordinal;
        std::string address;  // of its pod
    };
    // `max_age`: how old an answer that the agent has ready may be. Errors: those of the Kubernetes client while the
    // certificates are read, of the HTTP client, transient/"agent_failed" when the answer is no status.
    asio::awaitable<Result<ha::AgentStatus>> status(Member member, std::chrono::milliseconds max_age,
                                                    std::chrono::milliseconds timeout);
    // The certificates may have changed, or the pod moved.
    void forget(const std::string& k8s_name);

  private:
    struct Credentials;
    struct Peer;
    asio::awaitable<Result<std::shared_ptr<Credentials>>> credentials(std::string k8s_name, std::string ns);

    asio::any_io_executor executor_;
    Client& kube_;
    std::map<std::string, std::shared_ptr<Credentials>> credentials_;  // by instance
    std::map<std::string, std::shared_ptr<Peer>> peers_;               // by member
};

}  // namespace toygres::kube
