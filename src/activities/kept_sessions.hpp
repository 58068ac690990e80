// The monitors' sessions to the instances, kept between looks: a log-in costs more than all the rest of a look. They
// end when nobody has used them for a while, when they are old, and with the reign in which they began.
#pragma once
#include "pg/connection.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace toygres::activities {

struct KeptSession {
    std::unique_ptr<pg::Connection> connection;
    std::chrono::steady_clock::time_point opened_at = std::chrono::steady_clock::now();
};

class KeptSessions {
  public:
    // Keeps no more than the process may have open besides everything else.
    KeptSessions();

    // The instance's session, if there is one that may still be used. Whoever takes it gives it back with keep(), or it
    // ends: a look that is broken off leaves none.
    std::unique_ptr<KeptSession> take(const std::string& k8s_name);
    void keep(const std::string& k8s_name, std::unique_ptr<KeptSession> session);
    void drop(const std::string& k8s_name) { sessions_.erase(k8s_name); }
    // A session of an earlier reign leads to whoever was the primary then.
    void note_reign(const std::string& k8s_name, std::int64_t epoch);

  private:
    using Clock = std::chrono::steady_clock;
    struct Idle {
        std::unique_ptr<KeptSession> session;
        std::int64_t epoch = 0;
        Clock::time_point since{};
    };
    void drop_idle();

    std::size_t sessions_max_;
    std::map<std::string, Idle> sessions_;  // by k8s_name
    Clock::time_point dropped_at_ = Clock::now();
};

}  // namespace toygres::activities
