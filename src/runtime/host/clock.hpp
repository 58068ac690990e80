// Time as the host sees it, behind an interface, so that a simulation can make it virtual.
#pragma once
#include "base/asio.hpp"
#include "base/time.hpp"

#include <functional>
#include <memory>

namespace toygres::runtime {

// Calls back once at or after a point in time; at most one call is pending. Not from within set() or cancel().
class Alarm {
  public:
    virtual ~Alarm() = default;
    virtual void set(Timestamp when, std::function<void()> action) = 0;
    virtual void cancel() = 0;
};

class Clock {
  public:
    virtual ~Clock() = default;
    virtual Timestamp now() const = 0;
    // Time since some moment in the past, which goes on evenly when the wall clock is set.
    virtual std::chrono::milliseconds uptime() const = 0;
    virtual std::unique_ptr<Alarm> alarm() = 0;
    // A random number, for the jitter of waits.
    virtual std::uint64_t random() = 0;
};

class SystemClock : public Clock {
  public:
    explicit SystemClock(asio::any_io_executor executor) : executor_(std::move(executor)) {}
    Timestamp now() const override { return toygres::now(); }
    std::chrono::milliseconds uptime() const override;
    std::unique_ptr<Alarm> alarm() override;
    std::uint64_t random() override;

  private:
    asio::any_io_executor executor_;
};

// A wait that can be ended early, from the same thread.
class Pause {
  public:
    Pause(asio::any_io_executor executor, Clock& clock);
    // True when the time came, false when wake() ended it; a wake() before it counts.
    asio::awaitable<bool> wait(std::chrono::milliseconds time);
    void wake();

  private:
    Clock& clock_;
    std::unique_ptr<Alarm> alarm_;
    asio::steady_timer gate_;
    bool woken_ = false;
};

}  // namespace toygres::runtime
