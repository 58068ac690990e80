#include "sim_clock.hpp"

namespace toygres::sim {
namespace {

class SimAlarm : public runtime::Alarm {
  public:
    SimAlarm(Timeline& timeline, const SimClock& clock, asio::any_io_executor executor)
        : timeline_(timeline), clock_(clock), executor_(std::move(executor)) {}
    ~SimAlarm() override { ++*generation_; }

    // The call is a handler of the process: a frozen one gets it when it thaws, a dead one never.
    void set(Timestamp when, std::function<void()> action) override {
        timeline_.after(when - clock_.now(), [set = ++*generation_, generation = generation_, executor = executor_,
                                              action = std::move(action)]() mutable {
            if (set != *generation) return;
            asio::post(executor, [set, generation, action = std::move(action)] {
                if (set == *generation) action();
            });
        });
    }
    void cancel() override { ++*generation_; }

  private:
    Timeline& timeline_;
    const SimClock& clock_;
    asio::any_io_executor executor_;
    std::shared_ptr<std::uint64_t> generation_ = std::make_shared<std::uint64_t>(0);
};

}  // namespace

std::unique_ptr<runtime::Alarm> SimClock::alarm() { return std::make_unique<SimAlarm>(timeline_, *this, executor_); }

}  // namespace toygres::sim
