#include "kube/agents.hpp"

#include "base/log.hpp"
#include "http/client.hpp"
#include "kube/inspect.hpp"
#include "kube/manifests.hpp"

#include <fmt/format.h>

namespace toygres::kube {
namespace {

constexpr int agent_port = 8443;
constexpr std::chrono::seconds credentials_age_min{1};  // before a failure has them read again

}  // namespace

struct Agents::Credentials {
    std::string ca;
    Secret certificate;
    Secret key;
    std::chrono::steady_clock::time_point read_at = std::chrono::steady_clock::now();
};

struct Agents::Peer {
    Peer(asio::any_io_executor executor, std::string at, http::ClientOptions options)
        : address(std::move(at)), client(std::move(executor), std::move(options)) {}
    std::string address;
    http::Client client;
};

Agents::Agents(asio::any_io_executor executor, Client& kube) : executor_(std::move(executor)), kube_(kube) {}
Agents::~Agents() = default;

void Agents::forget(const std::string& k8s_name) {
    credentials_.erase(k8s_name);
    std::erase_if(peers_, [&](const auto& peer) { return peer.first.starts_with(k8s_name + "-"); });
}

asio::awaitable<Result<std::shared_ptr<Agents::Credentials>>> Agents::credentials(std::string k8s_name,
                                                                                  std::string ns) {
    if (const auto it = credentials_.find(k8s_name); it != credentials_.end()) co_return it->second;
    co_return co_await read_credentials(std::move(k8s_name), std::move(ns));
}

asio::awaitable<Result<std::shared_ptr<Agents::Credentials>>> Agents::read_credentials(std::string k8s_name,
                                                                                       std::string ns) {
    const auto secret = co_await kube_.get(resource("Secret", ns, tls_secret(k8s_name)));
    if (!secret) co_return std::unexpected(secret.error());
    auto ca = secret_value(*secret, "ca.crt");
    if (!ca) co_return std::unexpected(ca.error());
    auto certificate = secret_value(*secret, "client.crt");
    if (!certificate) co_return std::unexpected(certificate.error());
    auto key = secret_value(*secret, "client.key");
    if (!key) co_return std::unexpected(key.error());
    auto made = std::make_shared<Credentials>(ca->reveal(), *std::move(certificate), *std::move(key));
    credentials_[k8s_name] = made;
    co_return made;
}

// Nobody waits for the reading: with the Kubernetes API away that could take minutes, in which no other member of the
// instance would be looked at.
void Agents::distrust(const Member& member) {
    peers_.erase(member_name(member.k8s_name, member.ordinal));
    const auto known = credentials_.find(member.k8s_name);
    const bool fresh =
        known != credentials_.end() && std::chrono::steady_clock::now() - known->second->read_at < credentials_age_min;
    if (fresh || !reading_.insert(member.k8s_name).second) return;
    log::info("agent.distrusted", {{"member", member_name(member.k8s_name, member.ordinal)}});
    asio::co_spawn(
        executor_,
        [](Agents& self, std::string k8s_name, std::string ns) -> asio::awaitable<void> {
            const auto read = co_await self.read_credentials(k8s_name, ns);
            self.reading_.erase(k8s_name);
            if (!read) log::warning("agent.certificates_unread", {{"message", read.error().message}});
        }(*this, member.k8s_name, member.ns),
        asio::detached);
}

std::shared_ptr<Agents::Peer> Agents::peer_for(const Member& member, const Credentials& known,
                                               std::chrono::milliseconds timeout) {
    auto& peer = peers_[member_name(member.k8s_name, member.ordinal)];
    if (!peer || peer->address != member.address)
        peer = std::make_shared<Peer>(
            executor_, member.address,
            http::ClientOptions{
                .base_url = fmt::format("https://{}:{}", member.address, agent_port),
                .tls = http::ClientTls{.ca_pem = known.ca,
                                       .certificate_pem = known.certificate.reveal(),
                                       .private_key_pem = known.key.reveal(),
                                       .server_name = member_host(member.k8s_name, member.ns, member.ordinal)},
                .connections_max = 2,
                .connect_timeout = timeout});
    return peer;
}

asio::awaitable<Result<ha::AgentStatus>> Agents::status(Member member, std::chrono::milliseconds max_age,
                                                        std::chrono::milliseconds timeout) {
    const auto known = co_await credentials(member.k8s_name, member.ns);
    if (!known) co_return std::unexpected(known.error());
    const auto held = peer_for(member, **known, timeout);  // outlives a forget() meanwhile
    auto answer = co_await held->client.send({.method = "GET",
                                              .target = fmt::format("/status?max_age_ms={}", max_age.count()),
                                              .headers = {},
                                              .body = {},
                                              .peer = {}},
                                             timeout);
    if (!answer) {
        if (answer.error().code == "tls_untrusted") distrust(member);
        co_return std::unexpected(answer.error());
    }
    const auto failed = [&](const std::string& why) {
        return std::unexpected(Error{ErrorKind::transient, "agent_failed",
                                     fmt::format("{}: {}", member_name(member.k8s_name, member.ordinal), why)});
    };
    if (answer->status != 200) co_return failed(fmt::format("HTTP status {}", answer->status));
    const auto json = parse_json(answer->body);
    if (!json) co_return failed(json.error().message);
    try {
        co_return decode<ha::AgentStatus>(*json);
    } catch (const ErrorException& e) {
        co_return failed(e.error().message);
    }
}

}  // namespace toygres::kube
