// The embedded cluster's REST API, as kubectl and our own client expect it: discovery, CRUD, patches, server-side
// apply, tables, watches, logs and exec.
#pragma once
#include "base/asio.hpp"
#include "http/server.hpp"
#include "localkube/node.hpp"
#include "localkube/object_store.hpp"

#include <memory>
#include <string>
#include <vector>

namespace toygres::localkube {

struct ApiServerOptions {
    std::string address = "127.0.0.1";
    unsigned short port = 0;
    std::string certificate_chain_pem;
    std::string private_key_pem;
    // Who may call: the admin's bearer token (all), and service accounts' tokens, which the node mints. The name is
    // "admin" or "system:serviceaccount:<ns>:<name>"; RBAC is checked for service accounts from stored Roles.
    std::function<std::optional<std::string>(std::string_view token)> authenticate;
    // Makes a token for a service account, for `kubectl create token`; empty: the cluster gives none out.
    std::function<std::string(const std::string& ns, const std::string& service_account)> mint_token{};
};

class ApiServer {
  public:
    ApiServer(asio::io_context& io, ApiServerOptions options, ObjectStore& store, Node& node);
    ~ApiServer();
    unsigned short port() const;
    void start();
    asio::awaitable<void> stop();

    class Impl;

  private:
    std::unique_ptr<Impl> impl_;
};

}  // namespace toygres::localkube
