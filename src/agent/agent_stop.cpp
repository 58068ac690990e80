// The last minute of a primary whose pod is told to stop: it serves on until a standby takes over, or the time for that
// is over.
#include "agent/agent.hpp"
#include "base/log.hpp"

#include <algorithm>

namespace toygres::agent {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds look_interval{250};

}  // namespace

void Agent::request_stop() {
    if (stop_requested_at_) return;
    stop_requested_at_ = heir_seen_at_ = Clock::now();
    log::info("agent.stop_requested");
    asio::co_spawn(io_, look_for_heir(), asio::detached);
    wake();
}

// Who orders a hand-over does it by the topology: without one (the instance is being deleted) nobody will. Once one is
// ordered, the agent may use all its time to be asked how it went.
bool Agent::may_hand_over() const {
    const auto& topology = topology_.current();
    if (!stop_requested_at_ || options_.native || !topology || topology_.deleted()) return false;
    const auto self = topology->members.find(options_.member);
    const bool ordered = self != topology->members.end() && self->second.fenced.value_or(false);
    const auto limit = ordered ? options_.stop_timeout : std::min(options_.hand_over_timeout, options_.stop_timeout);
    return Clock::now() - *stop_requested_at_ < limit;
}

// What is left of the pod's time, and always enough to try.
std::chrono::milliseconds Agent::time_to_stop() const {
    if (!stop_requested_at_) return options_.stop_timeout;
    const auto gone = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - *stop_requested_at_);
    return std::max(options_.stop_timeout - gone, options_.lost_reign_timeout);
}

asio::awaitable<void> Agent::look_for_heir() {
    asio::steady_timer timer(io_);
    while (may_hand_over()) {
        if (server_.state() == Server::running && server_.role() == ha::Role::primary) {
            ha::AgentStatus seen{};
            co_await observer_.observe_running(seen, look_interval);
            const auto names = synchronous_names(orders_);
            const auto inherits = [&](const ha::PeerStatus& peer) {
                return peer.state == "streaming" && names.contains('"' + peer.application_name + '"');
            };
            if (seen.peers && std::ranges::any_of(*seen.peers, inherits)) heir_seen_at_ = Clock::now();
        }
        wake();
        timer.expires_after(look_interval);
        co_await timer.async_wait(use);
    }
    wake();
}

}  // namespace toygres::agent
