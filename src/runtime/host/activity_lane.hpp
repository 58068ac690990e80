// How many activities of one load may run at once; more wait in the order in which they came.
#pragma once
#include <deque>
#include <functional>
#include <memory>

namespace toygres::runtime {

class ActivityRun;

class ActivityLane {
  public:
    // `narrow`: true means one at a time for now; none: never.
    explicit ActivityLane(std::size_t max, std::function<bool()> narrow = {}) : max_(max), narrow_(std::move(narrow)) {}
    ActivityLane(const ActivityLane&) = delete;
    ActivityLane& operator=(const ActivityLane&) = delete;

    // Has it begin an attempt when its turn comes, unless nobody wants it any more by then.
    void enter(const std::shared_ptr<ActivityRun>& run);
    // An attempt that began here has ended.
    void leave();
    // Nothing begins any more.
    void close();

    std::size_t max() const { return max_; }
    std::size_t running() const { return running_; }
    std::size_t waiting() const { return waiting_.size(); }

  private:
    void pump();

    std::size_t max_;
    std::function<bool()> narrow_;
    std::size_t running_ = 0;
    bool closed_ = false;
    std::deque<std::weak_ptr<ActivityRun>> waiting_;
};

}  // namespace toygres::runtime
