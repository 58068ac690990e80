#include "api/lock_out.hpp"

#include <algorithm>
#include <utility>

namespace toygres::api {

std::optional<std::chrono::seconds> LockOut::wait_of(const std::string& network, Time now) const {
    const auto it = networks_.find(network);
    if (it == networks_.end() || now >= it->second.locked_until) return std::nullopt;
    return std::chrono::ceil<std::chrono::seconds>(it->second.locked_until - now);
}

bool LockOut::failed(const std::string& network, Time now) {
    if (!networks_.contains(network)) make_room(now);
    auto& n = networks_[network];
    if (now - n.window_began >= window) {
        n.window_began = now;
        n.failures = 0;
    }
    if (++n.failures < failures_max) return false;
    if (now - n.locked_until >= forgiven_after) n.times = 0;
    const auto wait = first_wait * (1 << std::min(n.times, 10));
    ++n.times;
    n.locked_until = now + std::min<std::chrono::seconds>(wait, wait_max);
    n.failures = 0;
    return true;
}

// Those that wait stay as long as there is anything else to drop: who calls from very many networks could otherwise
// wash out what is known of him.
void LockOut::make_room(Time now) {
    if (networks_.size() < networks_max) return;
    std::erase_if(networks_, [&](const auto& entry) {
        const auto& n = entry.second;
        return now >= n.locked_until && now - n.window_began >= window && now - n.locked_until >= forgiven_after;
    });
    if (networks_.size() < networks_max) return;
    const auto least = std::ranges::min_element(networks_, {}, [](const auto& entry) {
        return std::pair(entry.second.locked_until, entry.second.window_began);
    });
    networks_.erase(least);
}

}  // namespace toygres::api
