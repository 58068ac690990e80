// Asks the agents of members how they are, or has them tell, over mutual TLS with the instance's own certificates.
#pragma once
#include "base/asio.hpp"
#include "base/secret.hpp"
#include "ha/agent_status.hpp"
#include "kube/client.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
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
    // certificates are read, of the HTTP client, transient/"agent_failed" when the answer is no status. An agent that
    // is not to be trusted by the certificates known here is asked with those of the cluster next time; until they are
    // read, and for agents that do not complain, the old ones serve.
    asio::awaitable<Result<ha::AgentStatus>> status(Member member, std::chrono::milliseconds max_age,
                                                    std::chrono::milliseconds timeout);

    struct Told {
        ha::AgentStatus status;
        std::chrono::steady_clock::time_point heard_at;  // the agent said then that this is still so
    };
    // What a member tells by itself, which it does about once a second; null: nothing yet, or no more, or its release
    // does not. The first call for a member that has been asked before begins to listen, and nobody listens any more to
    // those that no call was made for in 15 s. `on_news` is called, once for each, when it tells what calls for a look
    // (of LSNs that move: nothing does), and when it does not tell any more.
    const Told* told(const Member& member, const std::function<void()>& on_news);
    // The instance is gone, or its certificates are new.
    void forget(const std::string& k8s_name);

  private:
    struct Credentials;
    struct Peer;
    asio::awaitable<Result<std::shared_ptr<Credentials>>> credentials(std::string k8s_name, std::string ns);
    asio::awaitable<Result<std::shared_ptr<Credentials>>> read_credentials(std::string k8s_name, std::string ns);
    std::shared_ptr<Peer> peer_for(const Member& member, const Credentials& known, std::chrono::milliseconds timeout);
    void distrust(const Member& member);
    static asio::awaitable<void> listen(std::shared_ptr<Peer> peer);

    asio::any_io_executor executor_;
    Client& kube_;
    std::map<std::string, std::shared_ptr<Credentials>> credentials_;  // by instance
    std::map<std::string, std::shared_ptr<Peer>> peers_;               // by member
    std::set<std::string> reading_;                                    // instances whose certificates are read anew
};

}  // namespace toygres::kube
