#include "kube/agents.hpp"

#include "base/log.hpp"
#include "ha/read_agent_status.hpp"
#include "http/client.hpp"
#include "kube/inspect.hpp"
#include "kube/manifests.hpp"

#include <fmt/format.h>

namespace toygres::kube {
namespace {

constexpr int agent_port = 8443;
constexpr std::chrono::seconds credentials_age_min{1};  // before a failure has them read again
constexpr std::chrono::milliseconds connect_timeout_min{
    500};                                       // of a peer that is kept, however short the first question
constexpr std::size_t connections_max = 3;      // one that tells, and two to ask
constexpr std::chrono::seconds listen_for{15};  // to members that nobody wants to hear of
constexpr std::chrono::seconds silence_max{5};  // a sign of life comes every second
constexpr std::chrono::seconds listen_again_after{1};
constexpr std::chrono::minutes ask_whether_it_tells_after{5};  // an agent of a release that does not
constexpr std::size_t line_bytes_max = 1 << 20;

// Whether what is told now calls for a look: anything but how far it has got.
bool calls_for_a_look(const ha::AgentStatus& before, const ha::AgentStatus& now) {
    const auto streams = [](const ha::AgentStatus& status) {
        std::set<std::string> out;
        for (const auto& peer : status.peers.value_or(std::vector<ha::PeerStatus>()))
            out.insert(fmt::format("{} {} {}", peer.application_name, peer.state, peer.sync_state));
        return out;
    };
    const auto essence = [&](const ha::AgentStatus& s) {
        return std::tuple(s.state, s.ready, s.role, s.epoch, s.revision, s.timeline, s.synchronous_standby_names,
                          s.peers.has_value(), streams(s), s.receiver ? s.receiver->status : "", s.restarts,
                          s.stop_requested);
    };
    return essence(before) != essence(now);
}

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

    bool wanted() const { return std::chrono::steady_clock::now() - wanted_at < listen_for; }
    // A piece of what it tells; false: that is enough, or makes no sense.
    bool hear(std::string_view piece);
    bool hear_line(const std::string& line);
    void end_listening(std::chrono::steady_clock::duration pause);

    std::string address;
    http::Client client;
    std::optional<Told> told;
    std::function<void()> on_news;
    std::string unread;
    bool listening = false;
    std::chrono::steady_clock::time_point wanted_at{};
    std::chrono::steady_clock::time_point listen_not_before{};
};

bool Agents::Peer::hear(std::string_view piece) {
    unread += piece;
    std::size_t begin = 0;
    for (auto end = unread.find('\n'); end != std::string::npos; end = unread.find('\n', begin)) {
        if (!hear_line(unread.substr(begin, end - begin))) return false;
        begin = end + 1;
    }
    unread.erase(0, begin);
    return wanted() && unread.size() <= line_bytes_max;
}

bool Agents::Peer::hear_line(const std::string& line) {
    const auto at = std::chrono::steady_clock::now();
    if (line.empty()) {
        if (told) told->heard_at = at;
        return told.has_value();
    }
    auto status = ha::read_agent_status(line);
    if (!status) return false;
    const bool news = told && calls_for_a_look(told->status, *status);
    told = Told{*std::move(status), at};
    if (news) on_news();
    return true;
}

void Agents::Peer::end_listening(std::chrono::steady_clock::duration pause) {
    listening = false;
    listen_not_before = std::chrono::steady_clock::now() + pause;
    unread = {};
    if (std::exchange(told, std::nullopt) && wanted()) on_news();
}

Agents::Agents(asio::any_io_executor executor, Client& kube) : executor_(std::move(executor)), kube_(kube) {}
Agents::~Agents() = default;

void Agents::forget(const std::string& k8s_name) {
    credentials_.erase(k8s_name);
    std::erase_if(peers_, [&](const auto& peer) {
        if (!peer.first.starts_with(k8s_name + "-")) return false;
        peer.second->wanted_at = {};
        return true;
    });
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
    if (const auto it = peers_.find(member_name(member.k8s_name, member.ordinal)); it != peers_.end()) {
        it->second->wanted_at = {};
        peers_.erase(it);
    }
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
    if (peer && peer->address != member.address) peer->wanted_at = {};
    if (!peer || peer->address != member.address)
        peer = std::make_shared<Peer>(
            executor_, member.address,
            http::ClientOptions{
                .base_url = fmt::format("https://{}:{}", member.address, agent_port),
                .tls = http::ClientTls{.ca_pem = known.ca,
                                       .certificate_pem = known.certificate.reveal(),
                                       .private_key_pem = known.key.reveal(),
                                       .server_name = member_host(member.k8s_name, member.ns, member.ordinal)},
                .connections_max = connections_max,
                .connect_timeout = std::max(timeout, connect_timeout_min)});
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
    auto status = ha::read_agent_status(answer->body);
    if (!status) co_return failed(status.error().message);
    co_return status;
}

const Agents::Told* Agents::told(const Member& member, const std::function<void()>& on_news) {
    const auto known = peers_.find(member_name(member.k8s_name, member.ordinal));
    if (known == peers_.end() || known->second->address != member.address) return nullptr;
    const auto& peer = known->second;
    peer->wanted_at = std::chrono::steady_clock::now();
    peer->on_news = on_news;
    if (!peer->listening && peer->wanted_at >= peer->listen_not_before) {
        peer->listening = true;
        asio::co_spawn(executor_, listen(peer), asio::detached);
    }
    return peer->told ? &*peer->told : nullptr;
}

asio::awaitable<void> Agents::listen(std::shared_ptr<Peer> peer) {
    const auto ended = co_await peer->client.stream(
        {.method = "GET", .target = "/status?watch", .headers = {}, .body = {}, .peer = {}}, silence_max,
        [&peer](std::string_view piece) { return peer->hear(piece); });
    // One that does not know how answers as ever.
    const bool tells = !ended || (ended->status == 200 && !ended->headers.has("Content-Length"));
    peer->end_listening(tells ? std::chrono::steady_clock::duration(listen_again_after) : ask_whether_it_tells_after);
}

}  // namespace toygres::kube
