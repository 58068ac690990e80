// The clock of one simulated process: virtual time, with an error of its own that a fault may change.
#pragma once
#include "random.hpp"
#include "runtime/host/clock.hpp"
#include "timeline.hpp"

namespace toygres::sim {

class SimClock : public runtime::Clock {
  public:
    SimClock(Timeline& timeline, asio::any_io_executor executor, Random random)
        : timeline_(timeline), executor_(std::move(executor)), random_(random) {}

    Timestamp now() const override { return timeline_.now() + error_; }
    std::chrono::milliseconds uptime() const override { return timeline_.now().time_since_epoch(); }
    std::unique_ptr<runtime::Alarm> alarm() override;
    std::uint64_t random() override { return random_.next(); }
    // Alarms that are set already do not move: they run on the steady clock.
    void step(std::chrono::milliseconds by) { error_ += by; }

  private:
    Timeline& timeline_;
    asio::any_io_executor executor_;
    Random random_;
    std::chrono::milliseconds error_{0};
};

}  // namespace toygres::sim
