// The judge's view of effects: that each had its record before, and that each answer is one that was due.
#include "checker.hpp"

#include <fmt/format.h>

namespace toygres::sim {
namespace {

std::optional<EventKind> answered_kind(EventKind arrival) {
    switch (arrival) {
        case EventKind::activity_completed:
        case EventKind::activity_failed:
            return EventKind::activity_scheduled;
        case EventKind::step_completed:
        case EventKind::step_failed:
            return EventKind::step_scheduled;
        case EventKind::timer_fired:
            return EventKind::timer_created;
        case EventKind::child_completed:
        case EventKind::child_failed:
            return EventKind::child_scheduled;
        case EventKind::detach_accepted:
        case EventKind::detach_failed:
            return EventKind::detach_scheduled;
        default:
            return std::nullopt;
    }
}

// "<orchestration>/<execution>/<event>" is the key that an activity is given.
std::int64_t event_of(const ActivityContext& activity) {
    const auto key = activity.idempotency_key();
    return std::stoll(key.substr(key.rfind('/') + 1));
}

}  // namespace

void Checker::take_arrival(const Fence& fence, Story& story, const Event& event) {
    if (event.kind == EventKind::signal_received) return check_signal(story, event);
    if (event.kind == EventKind::update_received)
        require(story.updates.insert(event.target).second, "an update is done once, and answered as it was",
                fmt::format("{} of {} was recorded twice", event.target, story.id));
    const auto kind = answered_kind(event.kind);
    if (!kind) return;
    const auto where =
        fmt::format("{} for event {} of {} execution {}", enum_name(event.kind), event.of, story.id, story.execution);
    const auto found = story.commands.find({story.execution, event.of});
    if (!require(found != story.commands.end() && found->second.event.kind == *kind, "every answer has its command",
                 where))
        return;
    auto& command = found->second;
    require(!command.answered, "each answer is recorded once", where);
    require(!command.dropped, "nothing answers what was dropped", where);
    command.answered = true;
    if (*kind == EventKind::activity_scheduled) check_activity(fence, story, event);
    if (*kind == EventKind::step_scheduled) check_step(story, event);
    if (*kind == EventKind::child_scheduled) check_child(story, command, event);
    if (*kind == EventKind::timer_created)
        require(event.at + clock_error >= command.event.at, "no timer fires early", where);
}

void Checker::check_signal(Story& story, const Event& event) {
    const auto key = event.target.empty() ? event.payload.dump() : event.target;
    require(story.signals.insert(key).second, "each signal is recorded once",
            fmt::format("signal {} {} of {}", event.name, key, story.id));
}

// A result counts in the epoch only in which its activity ran: what a lost shard's activity brings is void.
void Checker::check_activity(const Fence& fence, const Story& story, const Event& event) {
    const auto& payload =
        event.kind == EventKind::activity_completed ? event.payload : event.payload.value("details", Json());
    if (!payload.is_object() || !payload.contains("run")) return;
    const auto number = payload.at("run").get<int>();
    const auto words =
        fmt::format("run {} for event {} of {} execution {}", number, event.of, story.id, story.execution);
    const auto run = runs_.find(number);
    if (!require(run != runs_.end(), "every result has its activity", words)) return;
    require(run->second.orchestration == story.id && run->second.place == Place{story.execution, event.of},
            "a result answers the command that it was run for", words);
    const auto held = std::ranges::find(fence.shards, shard_of(story.id), &ShardEpoch::shard);
    require(
        held != fence.shards.end() && run->second.worker == fence.worker && run->second.epoch == held->epoch,
        "no result of a lost shard counts",
        fmt::format("{}, begun by worker {} in epoch {}, recorded by worker {} in epoch {}", words, run->second.worker,
                    run->second.epoch, fence.worker, held == fence.shards.end() ? 0 : held->epoch));
}

void Checker::check_step(const Story& story, const Event& event) {
    const bool took_effect = effects_.contains({story.id, {story.execution, event.of}});
    require(took_effect == (event.kind == EventKind::step_completed), "a step and its completion are one",
            fmt::format("{} for event {} of {}: the step {}", enum_name(event.kind), event.of, story.id,
                        took_effect ? "took effect" : "had no effect"));
}

void Checker::check_child(const Story& story, const Command& command, const Event& event) {
    if (event.kind == EventKind::child_failed && event.payload.value("code", "") == "orchestration_exists") return;
    const auto child = stories_.find(command.event.target);
    const auto words = fmt::format("{} took an answer of {} for event {}", story.id, command.event.target, event.of);
    // An id that was started anew since has another end by now.
    if (!require(child != stories_.end(), "a child answers the execution that called it", words)) return;
    const auto& by = child->second.parent;
    if (!by || *by != Parent{story.id, story.execution, event.of}) return;
    require(child->second.end && child->second.end->payload == event.payload, "a child's answer is what it recorded",
            words);
}

int Checker::activity_begun(const ActivityContext& activity, std::string_view name, std::int64_t worker) {
    const Place place{activity.execution(), event_of(activity)};
    const auto* command = find(activity.orchestration(), place);
    require(command != nullptr && command->event.kind == EventKind::activity_scheduled && command->event.name == name,
            "no effect before its record",
            fmt::format("activity {} began for {} execution {} event {}, which nobody recorded", name,
                        activity.orchestration(), place.first, place.second));
    const auto number = static_cast<int>(runs_.size()) + 1;
    runs_[number] = {activity.orchestration(), place, worker, granted_[{worker, shard_of(activity.orchestration())}]};
    return number;
}

void Checker::step_begun(const Message& completion) {
    const auto* command = find(completion.orchestration, {completion.execution, completion.event});
    require(command != nullptr && command->event.kind == EventKind::step_scheduled, "no effect before its record",
            fmt::format("a step began for {} execution {} event {}, which nobody recorded", completion.orchestration,
                        completion.execution, completion.event));
}

void Checker::step_took_effect(const Fence& fence, const Message& completion) {
    check_fence(fence, completion.orchestration);
    const Place place{completion.execution, completion.event};
    require(++effects_[{completion.orchestration, place}] == 1, "a transactional effect happens once",
            fmt::format("the step of {} execution {} event {} took effect twice", completion.orchestration, place.first,
                        place.second));
}

void Checker::announced(const std::string& orchestration) {
    require(ended_.contains(orchestration) || answered_.contains(orchestration), "no effect before its record",
            fmt::format("{} was announced as finished or answered", orchestration));
}

std::size_t Checker::effects_of(const std::string& orchestration) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(effects_, [&](const auto& entry) { return entry.first.first == orchestration; }));
}

}  // namespace toygres::sim
