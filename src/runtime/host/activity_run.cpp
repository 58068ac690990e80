#include "runtime/host/activity_run.hpp"

#include "base/crypto.hpp"
#include "base/log.hpp"
#include "metrics/metrics.hpp"
#include "runtime/host/correlation.hpp"

#include <fmt/format.h>

namespace toygres::runtime {

std::string ActivityContext::idempotency_key() const {
    return fmt::format("{}/{}/{}", identity_.orchestration, identity_.execution, identity_.event);
}

ActivityRun::ActivityRun(asio::any_io_executor executor, Clock& clock, const Services& services,
                         const ActivityFunction& function, ActivityIdentity identity, Event command,
                         Timestamp scheduled_at, Done done, std::optional<trace::Context> orchestration)
    : executor_(std::move(executor)),
      clock_(clock),
      services_(services),
      function_(function),
      identity_(std::move(identity)),
      command_(std::move(command)),
      done_(std::move(done)),
      scheduled_at_(std::min(scheduled_at, clock.now())),
      orchestration_(std::move(orchestration)),
      time_out_(clock.alarm()),
      silence_(clock.alarm()),
      back_off_(clock.alarm()) {
    policy_ = policy_from_stored(command_.options);
}

void ActivityRun::start(ActivityLane* lane) {
    lane_ = lane;
    line_up();
}

void ActivityRun::line_up() {
    if (lane_ == nullptr)
        attempt();
    else
        lane_->enter(shared_from_this());
}

void ActivityRun::begin() {
    in_lane_ = true;
    attempt();
}

void ActivityRun::leave_lane() {
    if (std::exchange(in_lane_, false)) lane_->leave();
}

void ActivityRun::attempt() {
    ++identity_.attempt;
    attempt_began_ = clock_.uptime();
    const int number = identity_.attempt;
    const auto self = shared_from_this();
    auto close = policy_.start_to_close.count() > 0 ? policy_.start_to_close : std::chrono::hours(24 * 365);
    if (policy_.schedule_to_close.count() > 0)  // the last attempt gets what is left
        close = std::clamp(policy_.schedule_to_close - (clock_.now() - scheduled_at_), milliseconds(1),
                           milliseconds(close));
    const auto restart_silence = [weak = weak_from_this(), number] {
        const auto run = weak.lock();
        if (!run || run->over_ || !run->context_ || run->policy_.heartbeat_timeout.count() == 0) return;
        run->silence_->set(run->clock_.now() + run->policy_.heartbeat_timeout, [weak, number] {
            if (const auto silent = weak.lock())
                silent->failed(number,
                               {ErrorKind::timeout, "heartbeat_timeout", "the activity gave no sign of life in time"});
        });
    };
    context_ = std::make_shared<ActivityContext>(identity_, services_, clock_.now() + close, heartbeat_,
                                                 [weak = weak_from_this(), number, restart_silence](Json payload) {
                                                     const auto run = weak.lock();
                                                     if (!run || run->identity_.attempt != number) return;
                                                     run->heartbeat_ = std::move(payload);
                                                     restart_silence();
                                                 });
    cancel_ = std::make_shared<asio::cancellation_signal>();
    time_out_->set(clock_.now() + close, [weak = weak_from_this(), number, close] {
        if (const auto run = weak.lock())
            run->failed(number, {ErrorKind::timeout, "activity_timeout",
                                 fmt::format("no result within {}", format_duration(close))});
    });
    restart_silence();
    asio::co_spawn(executor_, function_(*context_, command_.payload),
                   asio::bind_cancellation_slot(cancel_->slot(), [self, number, context = context_, cancel = cancel_](
                                                                     std::exception_ptr failure, Json output) {
                       if (!failure) return self->succeeded(number, std::move(output));
                       try {
                           std::rethrow_exception(failure);
                       } catch (...) {
                           self->failed(number, current_error());
                       }
                   }));
}

void ActivityRun::cancel_attempt() {
    time_out_->cancel();
    silence_->cancel();
    if (context_) context_->request_stop();
    if (cancel_) cancel_->emit(asio::cancellation_type::terminal);
    context_.reset();
    cancel_.reset();
}

void ActivityRun::stop() {
    over_ = true;
    back_off_->cancel();
    cancel_attempt();
    leave_lane();
}

void ActivityRun::succeeded(int attempt, Json output) {
    if (over_ || attempt != identity_.attempt || !context_) return;
    if (payload_bytes(output) > payload_bytes_max) return failed(attempt, payload_too_large());
    observe_attempt(std::nullopt);
    finish({.kind = EventKind::activity_completed, .of = identity_.event, .payload = std::move(output)});
}

void ActivityRun::failed(int attempt, Error error) {
    if (over_ || attempt != identity_.attempt || !context_) return;
    const auto self = shared_from_this();
    observe_attempt(error);
    cancel_attempt();
    failures_.push_back({{"attempt", attempt}, {"at", format_rfc3339(clock_.now())}, {"error", to_json_value(error)}});
    if (failures_.size() > 20) failures_.erase(failures_.begin() + 1);  // the first and the latest tell the story
    Json fields = {{"orchestration", identity_.orchestration},
                   {"execution", identity_.execution},
                   {"activity", command_.name},
                   {"attempt", attempt},
                   {"code", error.code},
                   {"message", error.message}};
    correlate(fields, identity_.tags);
    log::write(log::Level::info, "activity.attempt_failed", fields);
    const bool more = error.retryable() && (policy_.attempts == 0 || attempt < policy_.attempts) &&
                      std::ranges::find(policy_.non_retryable, error.code) == policy_.non_retryable.end();
    auto delay = delay_before(policy_, attempt + 1);
    if (policy_.jitter_percent > 0) {
        const auto spread = delay.count() * policy_.jitter_percent / 100;
        const auto draw = static_cast<std::int64_t>(clock_.random() % 1001) - 500;
        delay += milliseconds(spread * draw / 500);
    }
    const bool in_time =
        policy_.schedule_to_close.count() == 0 || clock_.now() + delay < scheduled_at_ + policy_.schedule_to_close;
    if (more && in_time) {
        back_off_->set(clock_.now() + delay, [weak = weak_from_this()] {
            if (const auto run = weak.lock(); run && !run->over_) run->line_up();
        });
        return leave_lane();
    }
    finish({.kind = EventKind::activity_failed, .of = identity_.event, .payload = to_json_value(error)});
}

void ActivityRun::observe_attempt(const std::optional<Error>& error) const {
    const auto took = clock_.uptime() - attempt_began_;
    metrics::counter("toygres_runtime_activity_attempts_total", "Attempts of activities",
                     {{"activity", command_.name}, {"outcome", error ? "failed" : "ok"}})
        .Increment();
    metrics::seconds("toygres_runtime_activity_seconds", "Duration of an attempt of an activity",
                     {{"activity", command_.name}})
        .Observe(std::chrono::duration<double>(took).count());
    if (!orchestration_) return;
    trace::record({.context = {orchestration_->trace_id, random_hex(16), orchestration_->sampled},
                   .parent_span_id = orchestration_->span_id,
                   .name = command_.name,
                   .began = clock_.now() - took,
                   .ended = clock_.now(),
                   .attributes = {{"toygres.kind", "activity"},
                                  {"toygres.orchestration", identity_.orchestration},
                                  {"toygres.execution", identity_.execution},
                                  {"toygres.event", identity_.event},
                                  {"toygres.attempt", identity_.attempt}},
                   .error = error ? std::optional(error->code) : std::nullopt});
}

void ActivityRun::finish(Event outcome) {
    const auto self = shared_from_this();
    over_ = true;
    time_out_->cancel();
    silence_->cancel();
    context_.reset();
    if (!failures_.empty()) outcome.options = {{"attempts", failures_}};
    done_(std::move(outcome));
    leave_lane();
}

}  // namespace toygres::runtime
