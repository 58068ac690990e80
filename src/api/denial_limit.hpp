// How many refusals get an entry in the audit: so many of a network in a minute, so many of all. The rest is counted.
// Without a clock of its own.
#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace toygres::api {

class DenialLimit {
  public:
    using Time = std::chrono::steady_clock::time_point;

    static constexpr int of_network_max = 10;
    static constexpr int of_all_max = 300;
    static constexpr std::chrono::seconds window{60};
    static constexpr std::size_t networks_max = 4096;  // more share one count, under the name "others"

    // How many of the network were left out since its last entry, if this refusal may have one; nullopt: it is left
    // out.
    std::optional<int> admit(const std::string& network, Time now);

    struct LeftOut {
        std::string network;
        int count;
    };
    // Of the minutes that are over: what no entry has told yet. At most `of_network_max` of them, the larger ones; the
    // rest in one, under the name "others".
    std::vector<LeftOut> take_left_out(Time now);

  private:
    struct Network {
        int entries = 0;
        int left_out = 0;
    };
    std::unordered_map<std::string, Network> networks_;
    std::vector<LeftOut> told_late_;
    Time window_began_{};
    int entries_ = 0;
    void turn(Time now);
};

}  // namespace toygres::api
