#include "activities/kept_sessions.hpp"

#include <sys/resource.h>

namespace toygres::activities {
namespace {

using namespace std::chrono_literals;

// What only a log-in shows (no free slot, an expired certificate) is seen within half a minute. Sessions that began
// together, after a restart say, do not end together.
std::chrono::seconds age_max(const pg::Connection& session) {
    return 20s + std::chrono::seconds(session.backend_pid() % 11);
}
constexpr auto idle_max = 2min;
constexpr auto drop_interval = 10s;

// A quarter of the files that the process may have; a session has two.
std::size_t affordable() {
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    return static_cast<std::size_t>(files.rlim_cur / 8);
}

}  // namespace

KeptSessions::KeptSessions() : sessions_max_(affordable()) {}

std::unique_ptr<KeptSession> KeptSessions::take(const std::string& k8s_name) {
    drop_idle();
    const auto it = sessions_.find(k8s_name);
    if (it == sessions_.end() || !it->second.session) return nullptr;
    auto session = std::move(it->second.session);
    if (Clock::now() - session->opened_at > age_max(*session->connection) || session->connection->stale())
        return nullptr;
    return session;
}

void KeptSessions::keep(const std::string& k8s_name, std::unique_ptr<KeptSession> session) {
    if (sessions_.size() >= sessions_max_ && !sessions_.contains(k8s_name)) return;
    auto& idle = sessions_[k8s_name];
    idle.session = std::move(session);
    idle.since = Clock::now();
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
    std::erase_if(sessions_, [&](const auto& entry) { return at - entry.second.since > idle_max; });
}

}  // namespace toygres::activities
