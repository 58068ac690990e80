#include "runtime/host/activity_lane.hpp"

#include "runtime/host/activity_run.hpp"

namespace toygres::runtime {

void ActivityLane::enter(const std::shared_ptr<ActivityRun>& run) {
    waiting_.push_back(run);
    pump();
}

void ActivityLane::leave() {
    --running_;
    pump();
}

void ActivityLane::close() {
    closed_ = true;
    waiting_.clear();
}

void ActivityLane::pump() {
    while (!closed_ && !waiting_.empty() && running_ < (narrow_ && narrow_() ? 1 : max_)) {
        const auto next = waiting_.front().lock();
        waiting_.pop_front();
        if (!next || !next->wanted()) continue;
        ++running_;
        next->begin();
    }
}

}  // namespace toygres::runtime
