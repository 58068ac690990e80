// Effects: what a committed command sets in motion, and how an owner takes up those of its predecessor.
#include "base/crypto.hpp"
#include "base/log.hpp"
#include "metrics/metrics.hpp"
#include "runtime/core/planted.hpp"
#include "runtime/host/correlation.hpp"
#include "runtime/host/host.hpp"

#include <fmt/format.h>

namespace toygres::runtime {

using namespace std::chrono_literals;

namespace {

std::optional<trace::Context> traced(const OrchestrationRow& row, std::int64_t execution) {
    return trace::enabled() ? std::optional(trace_of(row, execution).context) : std::nullopt;
}

// One attempt of a step.
void record_step(const OrchestrationRow& row, std::int64_t execution, std::int64_t event, const std::string& name,
                 int attempt, Timestamp began, Timestamp ended, std::optional<std::string> code) {
    const auto of = traced(row, execution);
    if (!of) return;
    trace::record({.context = {of->trace_id, random_hex(16), of->sampled},
                   .parent_span_id = of->span_id,
                   .name = name,
                   .began = began,
                   .ended = ended,
                   .attributes = {{"toygres.kind", "step"},
                                  {"toygres.orchestration", row.id},
                                  {"toygres.execution", execution},
                                  {"toygres.event", event},
                                  {"toygres.attempt", attempt}},
                   .error = std::move(code)});
}

}  // namespace

StartRequest Host::start_request(const Live& live, const Effect& effect) const {
    const auto& command = effect.command;
    const bool detached = command.kind == EventKind::detach_scheduled;
    auto policy = OnConflict::fail;
    if (detached)
        policy =
            enum_from<OnConflict>(command.options.value("conflict", std::string())).value_or(OnConflict::use_existing);
    return {.id = command.target,
            .name = command.name,
            .input = command.payload,
            .on_conflict = policy,
            .parent = Parent{live.row.id, effect.execution, effect.position},
            .detached = detached,
            .tags = detached ? Json::object() : inherited_tags(live.row, effect.execution)};
}

void Host::release(const LivePtr& live, const Effect& effect) {
    switch (effect.command.kind) {
        case EventKind::activity_scheduled:
            start_activity(live, effect);
            break;
        case EventKind::step_scheduled:
            start_step(live, effect);
            break;
        case EventKind::timer_created:
            live->timers[effect.position] = timers_.add(effect.command.at, [this, live, effect] {
                live->timers.erase(effect.position);
                post(live, {.event = {.kind = EventKind::timer_fired, .of = effect.position},
                            .execution = effect.execution,
                            .waited = effect.command.at - effect.opened_at});
            });
            break;
        case EventKind::cancelled:
            stop_command(*live, effect.command.of);
            break;
        default:
            break;
    }
}

// After a takeover: every open command whose answer is neither recorded nor on its way is set in motion again.
void Host::take_up(const LivePtr& live) {
    live->recovering = false;
    const auto answered = [&](std::int64_t position) {
        return std::ranges::any_of(live->arrivals, [&](const Arrival& a) {
            return a.event.of == position && (a.execution == 0 || a.execution == live->row.execution);
        });
    };
    // Gathered first: releasing one may park the orchestration, and its execution is gone then.
    const auto in_motion = [&](std::int64_t position) {
        return live->activities.contains(position) || live->timers.contains(position) || live->steps.contains(position);
    };
    std::vector<Effect> effects;
    for (const auto& [position, open] : live->execution->open()) {
        if (open.result || answered(position) || in_motion(position)) continue;
        effects.push_back({live->row.execution, position, open.command, open.opened_at});
        // Never longer than it was to be in all, should the clock have been set back.
        if (open.command.kind == EventKind::timer_created)
            effects.back().command.at = std::min(open.command.at, clock_.now() + (open.command.at - open.opened_at));
    }
    for (const auto& effect : effects) {
        const auto kind = effect.command.kind;
        if (planted(Fault::timer_lost_at_takeover) && kind == EventKind::timer_created) continue;
        if (planted(Fault::activity_forgotten_at_takeover) && kind == EventKind::activity_scheduled) continue;
        if (kind == EventKind::child_scheduled) live->children[effect.position] = child_of(effect.command);
        if (kind == EventKind::child_scheduled || kind == EventKind::detach_scheduled)
            spawn(check_start(live, effect));
        else
            release(live, effect);
        if (live->type == nullptr) return;
    }
}

asio::awaitable<void> Host::check_start(LivePtr live, Effect effect) {
    Pause pause(io_.get_executor(), clock_);
    std::vector<StartRequest> request;
    request.push_back(start_request(*live, effect));
    while (!live->dropped && !stopping_) {
        auto found = co_await store_.find_starts(request);
        if (live->dropped) co_return;
        if (found) {
            auto outcome = found->front();
            outcome.created = outcome.by_this_command;
            started(live, effect, request.front(), outcome);
            co_return;
        }
        co_await pause.wait(200ms);
    }
}

void Host::started(const LivePtr& live, const Effect& effect, const StartRequest& request,
                   const StartOutcome& outcome) {
    const auto shard = shard_of(request.id);
    if (outcome.created) {
        if (owned_.contains(shard)) {
            inbox_due_ = true;
            inbox_wake_.wake();
        } else {
            notify(shard);
        }
    }
    const auto exists = [&] {
        return to_json_value(Error{ErrorKind::conflict, "orchestration_exists",
                                   fmt::format("an orchestration {} exists already", request.id)});
    };
    const auto answer = [&](EventKind kind, Json payload) {
        post(live, {.event = {.kind = kind, .of = effect.position, .payload = std::move(payload)},
                    .execution = effect.execution});
    };
    if (!request.detached) {
        if (!outcome.created && !outcome.by_this_command) answer(EventKind::child_failed, exists());
    } else if (!outcome.created && request.on_conflict == OnConflict::fail) {
        answer(EventKind::detach_failed, exists());
    } else {
        answer(EventKind::detach_accepted, {});
    }
}

// Of an activity or a step.
Arrival Host::outcome_of(std::int64_t execution, Event event) {
    const bool failed = event.kind == EventKind::activity_failed || event.kind == EventKind::step_failed;
    const bool unreadable = failed && event.payload.value("code", "") == unreadable_input;
    return {.event = std::move(event), .execution = execution, .order = unreadable ? Order::park : Order::none};
}

void Host::start_activity(const LivePtr& live, const Effect& effect) {
    const auto* type = activities_.activity(effect.command.name);
    if (type == nullptr) {
        return park(live, "unknown_activity",
                    fmt::format("no activity {} is known to this release", effect.command.name));
    }
    const auto over = [this, live, effect](Event outcome) {
        live->activities.erase(effect.position);
        const auto later = live_.find(live->row.id);
        const bool stale = planted(Fault::lost_shards_result_accepted);
        post(stale && later != live_.end() ? later->second : live, outcome_of(effect.execution, std::move(outcome)));
    };
    auto run = std::make_shared<ActivityRun>(
        io_.get_executor(), clock_, services_, type->run,
        ActivityIdentity{live->row.id, effect.execution, effect.position, 0, live->row.tags}, effect.command,
        effect.opened_at, over, traced(live->row, effect.execution));
    live->activities[effect.position] = run;
    run->start(lane_of(type->load));
}

ActivityLane* Host::lane_of(ActivityLoad load) {
    switch (load) {
        case ActivityLoad::ordinary:
            return &ordinary_activities_;
        case ActivityLoad::heavy:
            return &heavy_activities_;
        case ActivityLoad::waits:
            break;
    }
    return nullptr;
}

void Host::start_step(const LivePtr& live, const Effect& effect) {
    if (activities_.step(effect.command.name) == nullptr)
        return park(live, "unknown_step", fmt::format("no step {} is known to this release", effect.command.name));
    live->steps[effect.position] = 1;
    const auto running = steps_running_->insert({live->row.id, effect.execution, effect.position});
    asio::co_spawn(io_, run_step(live, effect),
                   [all = steps_running_, running](std::exception_ptr) { all->erase(running); });
}

asio::awaitable<void> Host::run_step(LivePtr live, Effect effect) {
    co_await asio::post(io_, use);  // its answer may park what has just started it, but not before that is through
    const auto* function = activities_.step(effect.command.name);
    Pause pause(io_.get_executor(), clock_);
    for (int failures = 0; !live->dropped && live->steps.contains(effect.position); ++failures) {
        const auto owner = epoch_of(live->shard);
        if (!owner) co_return;
        const Fence fence{worker_, {*owner}};
        Message completion{.orchestration = live->row.id,
                           .kind = MessageKind::step_completed,
                           .execution = effect.execution,
                           .event = effect.position,
                           .dedup_key = fmt::format("step/{}/{}", effect.execution, effect.position)};
        const auto id = live->row.id;
        const auto began = clock_.now();
        auto receipt = co_await store_.run_step(fence, completion,
                                                [this, function, id, input = effect.command.payload](
                                                    StepTransaction& transaction) -> asio::awaitable<Json> {
                                                    StepContext context(transaction, services_, id);
                                                    auto output = co_await (*function)(context, input);
                                                    check_payload(output);
                                                    co_return output;
                                                });
        if (live->dropped) co_return;
        record_step(live->row, effect.execution, effect.position, effect.command.name, failures + 1, began,
                    clock_.now(), receipt ? std::nullopt : std::optional(receipt.error().code));
        if (receipt) {
            live->steps.erase(effect.position);
            completion.id = receipt->message_id;
            completion.payload = std::move(receipt->output);
            deliver(completion);
            co_return;
        }
        const auto error = receipt.error();
        if (error.code == "fence_lost") {
            drop_shard(live->shard);
            membership_wake_.wake();
            co_return;
        }
        if (!error.retryable()) {
            live->steps.erase(effect.position);
            post(live,
                 outcome_of(effect.execution,
                            {.kind = EventKind::step_failed, .of = effect.position, .payload = to_json_value(error)}));
            co_return;
        }
        if (failures == 0) {
            Json fields = {
                {"orchestration", id}, {"step", effect.command.name}, {"code", error.code}, {"message", error.message}};
            correlate(fields, live->row.tags);
            log::write(log::Level::warning, "step.interrupted", fields);
        }
        co_await pause.wait(std::min(milliseconds(20 << std::min(failures, 6)), milliseconds(1000)));
    }
}

void Host::stop_command(Live& live, std::int64_t position) {
    if (const auto timer = live.timers.find(position); timer != live.timers.end()) {
        timers_.remove(timer->second);
        live.timers.erase(timer);
    }
    live.steps.erase(position);
    if (const auto run = live.activities.find(position); run != live.activities.end()) {
        const auto stopped = run->second;
        live.activities.erase(run);
        stopped->stop();
    }
}

void Host::stop_all(Live& live) {
    while (!live.timers.empty()) stop_command(live, live.timers.begin()->first);
    // Those that wait for a place were asked for last, and none of them gets the place of another that stops.
    while (!live.activities.empty()) stop_command(live, live.activities.rbegin()->first);
    live.steps.clear();
    live.children.clear();
}

}  // namespace toygres::runtime
