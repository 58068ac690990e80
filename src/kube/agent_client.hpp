// Asks a member's agent how it is, over mutual TLS with the instance's own certificates.
#pragma once
#include "base/asio.hpp"
#include "base/json.hpp"
#include "ha/agent_status.hpp"
#include "http/client.hpp"

#include <chrono>
#include <string>

namespace toygres::kube {

inline constexpr unsigned short agent_port = 8443;

// What the control plane shows and trusts when it talks to agents or to postgres of one instance, from the TLS Secret.
// The server's certificate is for all members: its name is the instance's k8s_name.
// Error: not_found/"secret_key_missing".
Result<http::ClientTls> instance_tls(const Json& tls_secret, const std::string& k8s_name);

// Errors: transient/"agent_unreachable", timeout/"agent_timed_out", invalid/"agent_untrusted" (another certificate than
// the instance's), transient/"agent_refused" with the answer.
asio::awaitable<Result<ha::AgentStatus>> agent_status(asio::any_io_executor executor, std::string pod_address,
                                                      http::ClientTls tls, std::chrono::milliseconds timeout);

}  // namespace toygres::kube
