#include "runtime/host/timer_queue.hpp"

namespace toygres::runtime {

TimerQueue::Id TimerQueue::add(Timestamp when, std::function<void()> action) {
    const Id id{when, next_++};
    timers_.emplace(id, std::move(action));
    arm();
    return id;
}

void TimerQueue::remove(Id id) { timers_.erase(id); }

void TimerQueue::arm() {
    if (timers_.empty()) return;
    const auto first = timers_.begin()->first.first;
    if (first >= armed_for_) return;
    armed_for_ = first;
    alarm_->set(first, [this] { fire(); });
}

void TimerQueue::fire() {
    armed_for_ = Timestamp::max();
    const auto now = clock_.now();
    while (!timers_.empty() && timers_.begin()->first.first <= now) {
        auto action = std::move(timers_.begin()->second);
        timers_.erase(timers_.begin());
        action();
    }
    arm();
}

}  // namespace toygres::runtime
