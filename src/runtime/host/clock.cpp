#include "runtime/host/clock.hpp"

#include "base/crypto.hpp"

namespace toygres::runtime {
namespace {

class SystemAlarm : public Alarm {
  public:
    explicit SystemAlarm(asio::any_io_executor executor) : timer_(std::move(executor)) {}
    void set(Timestamp when, std::function<void()> action) override {
        // The steady clock carries it, so that a step of the wall clock neither fires nor delays it. An expiry that was
        // queued already when the alarm is set anew or cancelled does not count.
        timer_.expires_after(when - now());
        timer_.async_wait(
            [action = std::move(action), set = ++*generation_, generation = generation_](boost::system::error_code ec) {
                if (!ec && set == *generation) action();
            });
    }
    void cancel() override {
        ++*generation_;
        timer_.cancel();
    }
    ~SystemAlarm() override { ++*generation_; }

  private:
    asio::steady_timer timer_;
    std::shared_ptr<std::uint64_t> generation_ = std::make_shared<std::uint64_t>(0);
};

}  // namespace

std::chrono::milliseconds SystemClock::uptime() const {
    const auto since_boot = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(since_boot);
}

std::unique_ptr<Alarm> SystemClock::alarm() { return std::make_unique<SystemAlarm>(executor_); }

std::uint64_t SystemClock::random() { return digest64(random_bytes(8)); }

Pause::Pause(asio::any_io_executor executor, Clock& clock)
    : clock_(clock), alarm_(clock.alarm()), gate_(executor, asio::steady_timer::time_point::max()) {}

asio::awaitable<bool> Pause::wait(std::chrono::milliseconds time) {
    if (!woken_) {
        bool due = false;
        alarm_->set(clock_.now() + time, [this, &due] {
            due = true;
            gate_.cancel();
        });
        co_await gate_.async_wait(use);
        alarm_->cancel();
        if (due && !woken_) co_return true;
    }
    woken_ = false;
    co_return false;
}

void Pause::wake() {
    woken_ = true;
    gate_.cancel();
}

}  // namespace toygres::runtime
