#include "kube/agent_client.hpp"

#include "ha/read_agent_status.hpp"
#include "kube/inspect.hpp"

#include <fmt/format.h>

namespace toygres::kube {
namespace {

Error agent_error(const std::string& address, const Error& cause) {
    auto message = fmt::format("the agent at {}: {}", address, cause.message);
    if (cause.kind == ErrorKind::timeout) return {ErrorKind::timeout, "agent_timed_out", std::move(message)};
    if (cause.code == "tls_untrusted") return {ErrorKind::invalid, "agent_untrusted", std::move(message)};
    return {ErrorKind::transient, "agent_unreachable", std::move(message)};
}

}  // namespace

Result<http::ClientTls> instance_tls(const Json& tls_secret, const std::string& k8s_name) {
    const auto ca = secret_value(tls_secret, "ca.crt");
    if (!ca) return std::unexpected(ca.error());
    const auto certificate = secret_value(tls_secret, "client.crt");
    if (!certificate) return std::unexpected(certificate.error());
    const auto key = secret_value(tls_secret, "client.key");
    if (!key) return std::unexpected(key.error());
    return http::ClientTls{.ca_pem = ca->reveal(),
                           .certificate_pem = certificate->reveal(),
                           .private_key_pem = key->reveal(),
                           .server_name = k8s_name};
}

asio::awaitable<Result<ha::AgentStatus>> agent_status(asio::any_io_executor executor, std::string pod_address,
                                                      http::ClientTls tls, std::chrono::milliseconds timeout) {
    const auto host = pod_address.contains(':') ? fmt::format("[{}]", pod_address) : pod_address;
    http::Client client(executor, {.base_url = fmt::format("https://{}:{}", host, agent_port),
                                   .tls = std::move(tls),
                                   .connect_timeout = timeout});
    const auto response = co_await client.send({"GET", "/status", {}, {}, {}}, timeout);
    if (!response) co_return std::unexpected(agent_error(pod_address, response.error()));
    const auto refused = [&](const std::string& why) {
        return std::unexpected(
            Error{ErrorKind::transient, "agent_refused", fmt::format("the agent at {}: {}", pod_address, why)});
    };
    if (response->status != 200) co_return refused(fmt::format("HTTP {}: {}", response->status, response->body));
    auto status = ha::read_agent_status(response->body);
    if (!status) co_return refused(status.error().message);
    co_return status;
}

}  // namespace toygres::kube
