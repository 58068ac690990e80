// Lets a few coroutines of one io_context in at a time, in the order in which they came.
#pragma once
#include "base/asio.hpp"

#include <chrono>
#include <deque>
#include <optional>
#include <utility>

namespace toygres {

class Gate {
  public:
    // Held inside; leaving is its end. The gate outlives it.
    class Place {
      public:
        explicit Place(Gate& gate) : gate_(&gate) {}
        Place(Place&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
        Place& operator=(Place&&) = delete;
        ~Place() {
            if (gate_ != nullptr) gate_->leave();
        }

      private:
        Gate* gate_;
    };

    Gate(asio::any_io_executor executor, std::size_t places) : executor_(std::move(executor)), free_(places) {}
    Gate(const Gate&) = delete;
    Gate& operator=(const Gate&) = delete;

    // None when no place became free in time, or the wait was cancelled.
    asio::awaitable<std::optional<Place>> enter(std::chrono::milliseconds patience) {
        if (free_ > 0) {
            --free_;
            co_return Place(*this);
        }
        Waiting waiting(*this, patience);
        co_await waiting.timer.async_wait(use);
        if (!std::exchange(waiting.called, false)) co_return std::nullopt;
        co_return Place(*this);
    }
    std::size_t waiting() const { return line_.size(); }

  private:
    struct Waiting {
        Waiting(Gate& g, std::chrono::milliseconds patience) : gate(g), timer(g.executor_, patience) {
            gate.line_.push_back(this);
        }
        ~Waiting() {
            if (called)
                gate.leave();
            else
                std::erase(gate.line_, this);
        }
        Gate& gate;
        asio::steady_timer timer;
        bool called = false;  // a place is its own, and not taken yet
    };

    void leave() {
        if (line_.empty()) {
            ++free_;
            return;
        }
        auto& next = *line_.front();
        line_.pop_front();
        next.called = true;
        next.timer.cancel();
    }

    asio::any_io_executor executor_;
    std::size_t free_;
    std::deque<Waiting*> line_;
};

}  // namespace toygres
