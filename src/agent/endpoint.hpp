// The agent's HTTPS: /livez and /readyz for kubelet, /status (and /status?watch) for the control plane.
#pragma once
#include "agent/agent.hpp"
#include "http/server.hpp"

#include <memory>
#include <string>

namespace toygres::agent {

// Subject of the client certificate that may ask for /status. The instance's CA signs the servers' certificates too, so
// being signed by it is not enough.
inline constexpr std::string_view control_plane_cn = "toygres-control-plane";

// Errors: those of reading the mounted TLS files, with the path, and of tls_pair().
Result<http::ServerTls> endpoint_tls(const Options& options);

class Endpoint {
  public:
    // Listens on the pod's address. Writes the local token that `toygres-agent status` shows.
    // Throws ErrorException: address_unusable, bad_tls, file_unwritable, and what endpoint_tls() gives.
    Endpoint(asio::io_context& io, Agent& agent);

    void start();
    asio::awaitable<void> stop();

  private:
    asio::awaitable<void> answer(http::Exchange& exchange);
    asio::awaitable<void> follow_certificates();

    asio::io_context& io_;
    Agent& agent_;
    std::string token_;
    http::ServerTls tls_;  // as it is shown
    std::unique_ptr<http::Server> server_;
};

// What `toygres-agent status` and `probe` do: asks the agent of this pod. Returns the HTTP status and the body.
// Errors: those of http::Client.
asio::awaitable<Result<http::Response>> ask_local_agent(Options options, std::string path);

}  // namespace toygres::agent
