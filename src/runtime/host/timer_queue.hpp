// The durable timers of a process: one alarm for the earliest of them.
#pragma once
#include "runtime/host/clock.hpp"

#include <cstdint>
#include <map>

namespace toygres::runtime {

class TimerQueue {
  public:
    using Id = std::pair<Timestamp, std::uint64_t>;

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
    Timestamp armed_for_ = Timestamp::max();
};

}  // namespace toygres::runtime
