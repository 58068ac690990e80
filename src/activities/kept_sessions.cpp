#include "activities/kept_sessions.hpp"

#include <functional>
#include <sys/resource.h>

namespace toygres::activities {
namespace {

using namespace std::chrono_literals;

constexpr auto login_interval_min = 100s;
constexpr auto login_interval_spread = 40s;
constexpr auto idle_max = 2min;
constexpr auto drop_interval = 10s;

// A quarter of the files that the process may have; a session has two.
std::size_t affordable() {
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    return static_cast<std::size_t>(files.rlim_cur / 8);
}

// Sessions that began together, after a restart say, do not grow old together.
KeptSessions::Clock::duration login_interval(const std::string& k8s_name) {
    constexpr auto steps = std::chrono::milliseconds(login_interval_spread).count();
    const auto step = std::hash<std::string>()(k8s_name) % static_cast<std::size_t>(steps);
    return login_interval_min + std::chrono::milliseconds(step);
}

}  // namespace

KeptSessions::KeptSessions() : sessions_max_(affordable()) {}

KeptSessions::Session KeptSessions::take(const std::string& k8s_name) {
    drop_idle();
    const auto it = sessions_.find(k8s_name);
    if (it == sessions_.end() || !it->second.session) return nullptr;
    auto session = std::move(it->second.session);
    if (session->broken() || session->stale()) return nullptr;
    return session;
}

void KeptSessions::put_back(const std::string& k8s_name, Session session) {
    const auto it = sessions_.find(k8s_name);
    if (it == sessions_.end()) return;
    it->second.session = std::move(session);
    it->second.used_at = Clock::now();
}

void KeptSessions::keep(const std::string& k8s_name, Session session) {
    if (sessions_.size() >= sessions_max_ && !sessions_.contains(k8s_name)) return;
    auto& kept = sessions_[k8s_name];
    kept.session = std::move(session);
    kept.used_at = Clock::now();
    kept.login_due_at = kept.used_at + login_interval(k8s_name);
}

bool KeptSessions::login_is_due(const std::string& k8s_name, Clock::time_point at) const {
    const auto it = sessions_.find(k8s_name);
    return it == sessions_.end() || at >= it->second.login_due_at;
}

void KeptSessions::note_reign(const std::string& k8s_name, std::int64_t epoch) {
    const auto it = sessions_.find(k8s_name);
    if (it == sessions_.end() || std::exchange(it->second.epoch, epoch) == epoch) return;
    it->second.session.reset();
}

void KeptSessions::drop_idle() {
    const auto at = Clock::now();
    if (at - dropped_at_ < drop_interval) return;
    dropped_at_ = at;
    std::erase_if(sessions_, [&](const auto& entry) { return at - entry.second.used_at > idle_max; });
}

}  // namespace toygres::activities
