// Networks that keep showing tokens which are none: they wait, longer each time. Without a clock of its own.
#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <unordered_map>

namespace toygres::api {

class LockOut {
  public:
    using Time = std::chrono::steady_clock::time_point;

    static constexpr int failures_max = 10;  // within `window`
    static constexpr std::chrono::seconds window{60};
    static constexpr std::chrono::seconds first_wait{30};  // doubles with every time
    static constexpr std::chrono::seconds wait_max{15 * 60};
    static constexpr std::chrono::hours forgiven_after{1};  // without a lock-out
    static constexpr std::size_t networks_max = 4096;       // that are remembered

    // How long it has to wait still; nullopt: it may try.
    std::optional<std::chrono::seconds> wait_of(const std::string& network, Time now) const;
    // It showed a wrong token. true: it is locked out now.
    bool failed(const std::string& network, Time now);
    std::size_t size() const { return networks_.size(); }

  private:
    struct Network {
        Time window_began{};
        int failures = 0;
        int times = 0;  // that it was locked out
        Time locked_until{};
    };
    void make_room(Time now);

    std::unordered_map<std::string, Network> networks_;
};

}  // namespace toygres::api
