#include "agent/login_probe.hpp"

#include "agent/psql.hpp"

#include <algorithm>

namespace toygres::agent {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto login_timeout = 3s;
constexpr auto login_age_max = 12s;  // a log-in every five seconds, and its time-out

}  // namespace

asio::awaitable<bool> LoginProbe::log_in() {
    const auto before = last_;
    const auto done = co_await agent::log_in(options_, login_timeout);
    last_ = Attempt{done ? std::nullopt : std::optional(done.error().message), Clock::now()};
    co_return !before || before->error != last_->error;
}

std::optional<ha::LoginStatus> LoginProbe::status(std::optional<std::int64_t> free_connections) const {
    if (!last_) return std::nullopt;
    const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - last_->ended_at);
    auto error = last_->error;
    if (!error && free_connections && *free_connections <= 0) error = "no connection is left for users";
    if (!error && age > login_age_max) error = "no log-in was made for some time";
    if (free_connections)
        free_connections = std::clamp<std::int64_t>(*free_connections, 0, ha::free_connections_told_max);
    return ha::LoginStatus{!error, error, age.count(), free_connections};
}

}  // namespace toygres::agent
