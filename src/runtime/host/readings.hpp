// Readings of the database that are under way. What they bring may be gone by the time they do: whoever removes
// something keeps in mind that it did until every reading that had begun by then has ended.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>

namespace toygres::runtime {

class Readings {
    struct State {
        std::set<std::int64_t> under_way;
        std::int64_t next = 1;
        // What is to be done, and the reading that was next when it was asked for.
        std::deque<std::pair<std::int64_t, std::function<void()>>> later;
    };

  public:
    // One of them, until it goes out of scope; it may outlive the Readings.
    class Reading {
      public:
        explicit Reading(std::shared_ptr<State> state);
        ~Reading();
        Reading(const Reading&) = delete;
        Reading& operator=(const Reading&) = delete;

      private:
        std::shared_ptr<State> state_;
        std::int64_t number_;
    };

    Readings() = default;
    ~Readings() { state_->later.clear(); }
    Readings(const Readings&) = delete;
    Readings& operator=(const Readings&) = delete;

    Reading begin() { return Reading(state_); }
    // At once when none is under way, otherwise when the last of those has ended.
    void when_ended(std::function<void()> action);

  private:
    std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace toygres::runtime
