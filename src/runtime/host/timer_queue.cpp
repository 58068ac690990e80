#include "runtime/host/timer_queue.hpp"

namespace toygres::runtime {

TimerQueue::Id TimerQueue::add(Timestamp when, std::function<void()> action) {
    const Id id{clock_.uptime() + (when - clock_.now()), next_++};
    timers_.emplace(id, std::move(action));
    arm();
    return id;
}

void TimerQueue::remove(Id id) { timers_.erase(id); }

void TimerQueue::arm() {
    if (timers_.empty()) return;
    // An alarm cannot count for centuries: it goes off now and then, and is set again.
    const auto first =
        std::min<std::chrono::milliseconds>(timers_.begin()->first.first, clock_.uptime() + std::chrono::hours(24));
    if (first >= armed_for_) return;
    armed_for_ = first;
    alarm_->set(clock_.now() + (first - clock_.uptime()), [this] { fire(); });
}

void TimerQueue::fire() {
    armed_for_ = std::chrono::milliseconds::max();
    const auto now = clock_.uptime();
    while (!timers_.empty() && timers_.begin()->first.first <= now) {
        auto action = std::move(timers_.begin()->second);
        timers_.erase(timers_.begin());
        action();
    }
    arm();
}

}  // namespace toygres::runtime
