// One scheduled activity of this process: its attempts, time-outs and back-off, until it has an outcome or is stopped.
#pragma once
#include "runtime/core/event.hpp"
#include "runtime/host/activity_context.hpp"
#include "runtime/host/activity_lane.hpp"
#include "runtime/host/clock.hpp"
#include "trace/trace.hpp"

#include <memory>

namespace toygres::runtime {

class ActivityRun : public std::enable_shared_from_this<ActivityRun> {
  public:
    // The outcome: activity_completed or activity_failed, with the failed attempts in its options.
    using Done = std::function<void(Event)>;

    ActivityRun(asio::any_io_executor executor, Clock& clock, const Services& services,
                const ActivityFunction& function, ActivityIdentity identity, Event command, Timestamp scheduled_at,
                Done done, std::optional<trace::Context> orchestration = std::nullopt);

    // Each attempt takes a place in the lane, which outlives it; the pause between two takes none. Null: none do.
    void start(ActivityLane* lane);
    // The result is not wanted any more: stop token, cancellation of the coroutine; done is not called.
    void stop();

    // For the lane.
    bool wanted() const { return !over_; }
    void begin();

  private:
    void line_up();
    void leave_lane();
    void attempt();
    void cancel_attempt();
    void succeeded(int attempt, Json output);
    void failed(int attempt, Error error);
    void finish(Event outcome);
    void observe_attempt(const std::optional<Error>& error) const;

    asio::any_io_executor executor_;
    Clock& clock_;
    const Services& services_;
    const ActivityFunction& function_;
    ActivityIdentity identity_;
    Event command_;
    RetryPolicy policy_;
    Done done_;
    Timestamp scheduled_at_;
    std::chrono::milliseconds attempt_began_{0};   // by the clock's uptime
    std::optional<trace::Context> orchestration_;  // whose span the attempts' are below; none: nobody traces
    Json failures_ = Json::array();
    Json heartbeat_;
    std::unique_ptr<Alarm> time_out_;
    std::unique_ptr<Alarm> silence_;
    std::unique_ptr<Alarm> back_off_;
    std::shared_ptr<ActivityContext> context_;
    std::shared_ptr<asio::cancellation_signal> cancel_;
    ActivityLane* lane_ = nullptr;
    bool in_lane_ = false;  // a place of it is held
    bool over_ = false;
};

}  // namespace toygres::runtime
