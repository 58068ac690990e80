#include "agent/status_stream.hpp"

namespace toygres::agent {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto look_interval = 1'000ms;    // nothing has happened that the agent knows of by itself
constexpr auto look_interval_min = 250ms;  // it has
constexpr auto settling = 20ms;            // what has happened is acted on first
constexpr auto answer_age_max = 200ms;     // of postgres
constexpr std::int64_t lag_step_ms = 1'000;
constexpr std::int64_t disk_step_bytes = 16 << 20;

}  // namespace

Json worth_telling(const ha::AgentStatus& status) {
    auto coarse = status;
    if (coarse.receiver) coarse.receiver->silent_ms.reset();
    if (coarse.disk_free_bytes) *coarse.disk_free_bytes /= disk_step_bytes;
    if (coarse.peers)
        for (auto& peer : *coarse.peers)
            if (peer.replay_lag_ms) *peer.replay_lag_ms /= lag_step_ms;
    if (coarse.login) coarse.login->age_ms = 0;
    return encode(coarse);
}

asio::awaitable<void> stream_status(Agent& agent, http::Exchange& exchange) {
    co_await exchange.begin_stream(200, {{"Content-Type", "application/json"}});
    asio::steady_timer timer(co_await asio::this_coro::executor);
    Json told;
    for (;;) {
        const auto began = Clock::now();
        const auto happenings = agent.happenings();
        const auto status = co_await agent.status(answer_age_max);
        auto now = worth_telling(status);
        const bool news = now != told;
        if (!co_await exchange.write(news ? encode(status).dump() + "\n" : "\n")) co_return;
        told = std::move(now);
        co_await agent.wait_for_news(happenings, began + look_interval);
        timer.expires_at(std::min(std::max(Clock::now() + settling, began + look_interval_min), began + look_interval));
        co_await timer.async_wait(use);
    }
}

}  // namespace toygres::agent
