// Cuts an I/O operation off: calls `cut` when the time is up, unless the deadline is gone or moved by then.
#pragma once
#include "base/asio.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <utility>

namespace toygres::http {

class Deadline {
  public:
    explicit Deadline(const asio::any_io_executor& executor) : state_(std::make_shared<State>(executor)) {}
    ~Deadline() { disarm(); }
    Deadline(const Deadline&) = delete;
    Deadline& operator=(const Deadline&) = delete;

    void arm(std::chrono::milliseconds after, std::function<void()> cut) {
        state_->expired = false;
        state_->timer.expires_after(after);
        state_->timer.async_wait(
            [state = state_, round = ++state_->round, cut = std::move(cut)](boost::system::error_code e) {
                // A wait that was over before it could be cancelled still arrives; its round tells.
                if (e || round != state->round) return;
                state->expired = true;
                cut();
            });
    }
    void disarm() {
        ++state_->round;
        state_->timer.cancel();
    }
    bool expired() const { return state_->expired; }

  private:
    struct State {
        explicit State(const asio::any_io_executor& executor) : timer(executor) {}
        asio::steady_timer timer;
        unsigned round = 0;
        bool expired = false;
    };
    std::shared_ptr<State> state_;
};

}  // namespace toygres::http
