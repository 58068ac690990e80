// Activities of one load that may run at once; more wait in the order in which they came.
#pragma once
#include "runtime/host/activity_run.hpp"

#include <deque>
#include <functional>
#include <memory>

namespace toygres::runtime {

class ActivityLane {
  public:
    explicit ActivityLane(std::size_t max, std::function<bool()> narrow = {}) : max_(max), narrow_(std::move(narrow)) {}
    ActivityLane(const ActivityLane&) = delete;
    ActivityLane& operator=(const ActivityLane&) = delete;

    // Starts it when its turn comes, unless nobody holds it any more by then.
    void enter(const std::shared_ptr<ActivityRun>& run) {
        waiting_.push_back(run);
        pump();
    }
    // One that was started has ended.
    void leave() {
        --running_;
        pump();
    }
    std::size_t max() const { return max_; }
    std::size_t running() const { return running_; }
    std::size_t waiting() const { return waiting_.size(); }

  private:
    void pump() {
        while (!waiting_.empty() && running_ < (narrow_ && narrow_() ? 1 : max_)) {
            const auto next = waiting_.front().lock();
            waiting_.pop_front();
            if (!next) continue;
            ++running_;
            next->start();
        }
    }

    std::size_t max_;
    std::function<bool()> narrow_;  // true: one at a time for now; none: never
    std::size_t running_ = 0;
    std::deque<std::weak_ptr<ActivityRun>> waiting_;
};

}  // namespace toygres::runtime
