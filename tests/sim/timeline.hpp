// Virtual time: what will happen when. Nobody waits; when nothing is left to do, time jumps to the next event.
#pragma once
#include "base/time.hpp"

#include <functional>
#include <map>

namespace toygres::sim {

class Timeline {
  public:
    Timestamp now() const { return now_; }
    std::chrono::milliseconds elapsed() const { return now_ - beginning; }
    // Those of one instant come in the order in which they were asked for.
    void after(std::chrono::milliseconds delay, std::function<void()> action) {
        events_.emplace(std::pair(now_ + std::max(delay, std::chrono::milliseconds(0)), next_++), std::move(action));
    }
    // Goes on to the next event and runs it; false when there is none.
    bool advance() {
        if (events_.empty()) return false;
        auto event = events_.extract(events_.begin());
        now_ = event.key().first;
        event.mapped()();
        return true;
    }
    void clear() { events_.clear(); }

  private:
    static constexpr Timestamp beginning{std::chrono::sys_days(std::chrono::January / 1 / 2030)};

    Timestamp now_ = beginning;
    std::uint64_t next_ = 0;
    std::map<std::pair<Timestamp, std::uint64_t>, std::function<void()>> events_;
};

}  // namespace toygres::sim
