// The monitors' sessions to the instances, kept between looks: a log-in costs more than all the rest of a look. They
// end when nobody has used them for a while, with the reign in which they began, and when another takes their place: a
// log-in, whether there is a session or not, is due every minute or so.
#pragma once
#include "pg/connection.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace toygres::activities {

class KeptSessions {
  public:
    using Clock = std::chrono::steady_clock;
    using Session = std::unique_ptr<pg::Connection>;

    // Keeps no more than the process may have open besides everything else.
    KeptSessions();

    // The instance's session, if there is one that may still be used. Whoever takes it gives it back with put_back(),
    // or it ends: a look that is broken off leaves none.
    Session take(const std::string& k8s_name);
    void put_back(const std::string& k8s_name, Session session);
    // A new one, by a log-in that ended now. The next is due after a time that differs between instances.
    void keep(const std::string& k8s_name, Session session);
    void drop(const std::string& k8s_name) { sessions_.erase(k8s_name); }
    // No session was begun for long.
    bool login_is_due(const std::string& k8s_name, Clock::time_point at = Clock::now()) const;
    // A session of an earlier reign leads to whoever was the primary then.
    void note_reign(const std::string& k8s_name, std::int64_t epoch);

  private:
    struct Kept {
        Session session;
        std::int64_t epoch = 0;
        Clock::time_point used_at{};
        Clock::time_point login_due_at{};
    };
    void drop_idle();

    std::size_t sessions_max_;
    std::map<std::string, Kept> sessions_;  // by k8s_name
    Clock::time_point dropped_at_ = Clock::now();
};

}  // namespace toygres::activities
