// A condition that coroutines of one io_context wait for: wait() until notify(), then look again.
#pragma once
#include "base/asio.hpp"

namespace toygres {

class Event {
  public:
    explicit Event(const asio::any_io_executor& executor) : timer_(executor, asio::steady_timer::time_point::max()) {}

    // Completes at the next notify(), not at an earlier one; also when the wait is cancelled.
    asio::awaitable<void> wait() { co_await timer_.async_wait(use); }
    // Wakes all that wait now.
    void notify() { timer_.cancel(); }

  private:
    asio::steady_timer timer_;
};

}  // namespace toygres
