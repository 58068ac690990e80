#include "api/denial_limit.hpp"

#include <algorithm>
#include <utility>

namespace toygres::api {
namespace {

constexpr auto others = "others";

}  // namespace

// All networks have the same minute: what is over is taken out at once.
void DenialLimit::turn(Time now) {
    if (now - window_began_ < window) return;
    for (auto& [network, counts] : networks_)
        if (counts.left_out > 0) told_late_.push_back({network, counts.left_out});
    networks_.clear();
    entries_ = 0;
    window_began_ = now;
}

std::optional<int> DenialLimit::admit(const std::string& network, Time now) {
    turn(now);
    const bool known = networks_.contains(network) || networks_.size() < networks_max;
    auto& counts = networks_[known ? network : others];
    if (counts.entries >= of_network_max || entries_ >= of_all_max) {
        ++counts.left_out;
        return std::nullopt;
    }
    ++counts.entries;
    ++entries_;
    return std::exchange(counts.left_out, 0);
}

std::vector<DenialLimit::LeftOut> DenialLimit::take_left_out(Time now) {
    turn(now);
    auto out = std::exchange(told_late_, {});
    std::ranges::sort(out, std::ranges::greater(), &LeftOut::count);
    if (out.size() <= of_network_max) return out;
    LeftOut rest{others, 0};
    for (auto it = out.begin() + of_network_max; it != out.end(); ++it) rest.count += it->count;
    out.resize(of_network_max);
    out.push_back(rest);
    return out;
}

}  // namespace toygres::api
