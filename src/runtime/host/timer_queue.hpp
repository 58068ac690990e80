// The durable timers of a process: one alarm for the earliest of them. A timer that waits already is neither delayed
// nor hastened when the wall clock is set.
#pragma once
#include "runtime/host/clock.hpp"

#include <cstdint>
#include <map>

namespace toygres::runtime {

class TimerQueue {
  public:
    using Id = std::pair<std::chrono::milliseconds, std::uint64_t>;  // the clock's uptime when it is due

    explicit TimerQueue(Clock& clock) : clock_(clock), alarm_(clock.alarm()) {}
    Id add(Timestamp when, std::function<void()> action);
    void remove(Id id);
    std::size_t size() const { return timers_.size(); }

  private:
    void arm();
    void fire();

    Clock& clock_;
    std::unique_ptr<Alarm> alarm_;
    std::map<Id, std::function<void()>> timers_;
    std::uint64_t next_ = 1;
    std::chrono::milliseconds armed_for_ = std::chrono::milliseconds::max();
};

}  // namespace toygres::runtime
