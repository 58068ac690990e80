// TCP proxies for Services: each listens on a service's address and port and forwards to its ready endpoints in turn.
// Without an endpoint nothing listens, so that a connection is refused as in a real cluster.
#pragma once
#include "base/asio.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace toygres::localkube {

class ServiceProxy {
  public:
    using Endpoint = asio::ip::tcp::endpoint;
    using Targets = std::map<Endpoint, std::vector<Endpoint>>;  // by the address listened on

    explicit ServiceProxy(asio::io_context& io);
    ~ServiceProxy();

    // Replaces what the service listens on. Connections that stand are left alone. Gives the addresses that could not
    // be listened on, with the reason.
    std::vector<std::pair<Endpoint, std::string>> set(const std::string& service, const Targets& targets);
    // Closes everything, connections too.
    void stop();

  private:
    struct Listener;
    struct Connections;
    static asio::awaitable<void> accept(std::shared_ptr<Listener> listener, std::shared_ptr<Connections> connections);

    asio::io_context& io_;
    std::map<std::string, std::map<Endpoint, std::shared_ptr<Listener>>> services_;
    std::shared_ptr<Connections> connections_;
};

}  // namespace toygres::localkube
