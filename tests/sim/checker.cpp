#include "checker.hpp"

#include <fmt/format.h>

namespace toygres::sim {
namespace {

std::string at(const std::string& orchestration, std::int64_t execution, std::int64_t position) {
    return fmt::format("{} execution {} event {}", orchestration, execution, position);
}

}  // namespace

void Checker::breaks(std::string check, std::string words) {
    if (!broken_) broken_ = Broken{std::move(check), std::move(words)};
}

const Checker::Command* Checker::find(const std::string& orchestration, Place place) const {
    const auto story = stories_.find(orchestration);
    if (story == stories_.end()) return nullptr;
    const auto command = story->second.commands.find(place);
    return command == story->second.commands.end() ? nullptr : &command->second;
}

void Checker::claimed(std::int64_t worker, const std::vector<ShardEpoch>& shards) {
    for (const auto& [shard, epoch] : shards) {
        auto& last = owners_[shard];
        require(epoch > last.epoch, "epochs rise",
                fmt::format("shard {} went from epoch {} to {}", shard, last.epoch, epoch));
        last = {shard, epoch};
        owner_of_[shard] = worker;
        granted_[{worker, shard}] = epoch;
    }
}

void Checker::released(std::int64_t worker, const std::vector<int>& shards) {
    for (const auto shard : shards)
        if (owner_of_[shard] == worker) owner_of_[shard] = 0;
}

void Checker::started(const StartRequest& request, const StartOutcome& outcome) {
    if (!outcome.created) return;
    auto& story = stories_[request.id];
    require(story.execution == 0 || story.end, "an id is held once",
            fmt::format("{} was started while it runs", request.id));
    const auto execution = story.execution + 1;
    auto commands = std::move(story.commands);
    auto lengths = std::move(story.lengths);
    story = Story{.id = request.id,
                  .key = outcome.key,
                  .execution = execution,
                  .parent = request.parent,
                  .detached = request.detached,
                  .commands = std::move(commands),
                  .lengths = std::move(lengths)};
}

void Checker::check_fence(const Fence& fence, const std::string& orchestration) {
    const auto shard = shard_of(orchestration);
    const auto held = std::ranges::find(fence.shards, shard, &ShardEpoch::shard);
    if (!require(held != fence.shards.end(), "one owner per epoch",
                 fmt::format("worker {} wrote for {} without naming its shard {}", fence.worker, orchestration, shard)))
        return;
    require(owner_of_[shard] == fence.worker && owners_[shard].epoch == held->epoch, "one owner per epoch",
            fmt::format("worker {} wrote for {} in epoch {} of shard {}, which worker {} owns in epoch {}",
                        fence.worker, orchestration, held->epoch, shard, owner_of_[shard], owners_[shard].epoch));
}

void Checker::committed(const Fence& fence, const std::vector<Turn>& turns, const CommitReceipt& receipt,
                        const std::vector<Message>& inbox) {
    for (std::size_t i = 0; i < turns.size(); ++i) {
        const auto& turn = turns[i];
        check_fence(fence, turn.id);
        if (turn.key != 0) take(fence, turn);
        for (std::size_t s = 0; s < turn.starts.size(); ++s) {
            check_start(turn, turn.starts[s]);
            started(turn.starts[s], receipt.starts[i][s]);
        }
        for (const auto& message : turn.messages) check_message(turn, message);
        for (const auto& answer : turn.answers) answered_.insert(request_name(turn.id, answer.request));
        check_consumed(turn, inbox);
    }
}

void Checker::take(const Fence& fence, const Turn& turn) {
    const auto found = stories_.find(turn.id);
    if (!require(found != stories_.end() && found->second.key == turn.key, "a turn is of a started orchestration",
                 fmt::format("nobody started {}", turn.id)))
        return;
    auto& story = found->second;
    require(turn.status != Status::stuck, "no difference in replay",
            fmt::format("{} was parked: {}", turn.id, turn.error.dump()));
    for (const auto& row : turn.rows) take(fence, story, row);
    if (!turn.rows.empty()) check_row(turn);
}

void Checker::check_row(const Turn& turn) {
    const auto& story = stories_.at(turn.id);
    require(turn.execution == story.execution && turn.next_event == story.next, "the row agrees with the history",
            fmt::format("the row of {} says that {} comes next, the history {}", turn.id,
                        at("", turn.execution, turn.next_event), at("", story.execution, story.next)));
    require(is_finished(turn.status) == story.end.has_value(), "the row agrees with the history",
            fmt::format("the row of {} says {}", turn.id, enum_name(turn.status)));
}

void Checker::take(const Fence& fence, Story& story, const HistoryRow& row) {
    if (story.continued) {
        story.continued = false;
        ++story.execution;
        story.next = 1;
    }
    const auto begins = at(story.id, row.execution, row.first_event);
    require(!story.end, "nothing follows the end", fmt::format("{} was recorded after the end", begins));
    require(
        row.execution == story.execution && row.first_event == story.next, "each event once, without gaps",
        fmt::format("{} was recorded where event {} of execution {} comes next", begins, story.next, story.execution));
    const auto events = events_from_text(row.events);
    if (!require(events.has_value(), "history can be read", begins)) return;
    for (const auto& event : *events) take(fence, story, story.next++, event);
    story.lengths[story.execution] = story.next - 1;
}

void Checker::take(const Fence& fence, Story& story, std::int64_t position, const Event& event) {
    require((position == 1) == (event.kind == EventKind::started), "an execution begins with its start",
            at(story.id, story.execution, position));
    if (is_arrival(event.kind)) return take_arrival(fence, story, event);
    if (event.kind == EventKind::continued_as_new) {
        story.continued = true;
    } else if (is_terminal(event.kind)) {
        story.end = event;
        ended_.insert(story.id);
    } else if (event.kind == EventKind::cancelled) {
        if (const auto command = story.commands.find({story.execution, event.of}); command != story.commands.end())
            command->second.dropped = true;
    } else {
        story.commands.insert_or_assign({story.execution, position}, Command{event});
    }
}

void Checker::check_start(const Turn& turn, const StartRequest& start) {
    const auto* command = start.parent ? find(turn.id, {start.parent->execution, start.parent->event}) : nullptr;
    require(command != nullptr && start.parent->id == turn.id && command->event.target == start.id &&
                command->event.name == start.name,
            "every start has its record", fmt::format("{} started {} without a recorded command", turn.id, start.id));
}

void Checker::check_message(const Turn& turn, const Message& message) {
    const auto& story = stories_.at(turn.id);
    if (message.kind == MessageKind::cancel) {
        const bool known = std::ranges::any_of(story.commands, [&](const auto& entry) {
            return entry.second.event.kind == EventKind::child_scheduled &&
                   entry.second.event.target == message.orchestration;
        });
        return void(require(known, "every message has its record",
                            fmt::format("{} cancels {}, which it never started", turn.id, message.orchestration)));
    }
    const auto* command = find(message.orchestration, {message.execution, message.event});
    require(command != nullptr && command->event.kind == EventKind::child_scheduled && command->event.target == turn.id,
            "a child answers the execution that called it",
            fmt::format("{} answers {}, which did not call it there", turn.id,
                        at(message.orchestration, message.execution, message.event)));
    require(story.end && (story.end->kind == EventKind::completed) == (message.kind == MessageKind::child_completed) &&
                story.end->payload == message.payload,
            "every message has its record", fmt::format("{} tells another end than it recorded", turn.id));
}

// A consumed message has left its trace in the history, or answers nothing that is still open.
void Checker::check_consumed(const Turn& turn, const std::vector<Message>& inbox) {
    const auto& story = stories_.at(turn.id);
    for (const auto id : turn.consumed) {
        const auto message = std::ranges::find(inbox, id, &Message::id);
        if (message == inbox.end() || story.end) continue;
        const auto lost = fmt::format("a {} for {} was consumed and left no trace", enum_name(message->kind), turn.id);
        if (message->kind == MessageKind::signal) {
            auto key = message->dedup_key.empty() ? message->payload.dump() : message->dedup_key;
            if (key.starts_with(signal_key_prefix)) key.erase(0, signal_key_prefix.size());
            require(story.signals.contains(key), "no message is lost", lost);
        } else if (message->kind != MessageKind::start && message->event != 0) {
            const auto* command = find(turn.id, {message->execution, message->event});
            require(
                command == nullptr || command->answered || command->dropped || message->execution != story.execution,
                "no message is lost", lost);
        } else if (message->kind == MessageKind::query || message->kind == MessageKind::update) {
            const auto request = message->dedup_key.substr(request_key_prefix.size());
            const bool answered = std::ranges::find(turn.answers, request, &Answer::request) != turn.answers.end();
            require(answered, "every question is answered", lost);
        } else if (message->kind == MessageKind::start) {
            require(story.next > 1 || story.continued, "no message is lost", lost);
        }
    }
}

void Checker::stored(const OrchestrationRow& row, std::int64_t execution, const std::vector<std::string>& turns) {
    std::int64_t events = 0;
    for (const auto& turn : turns)
        if (const auto parsed = events_from_text(turn)) events += static_cast<std::int64_t>(parsed->size());
    const auto& lengths = stories_[row.id].lengths;
    const auto length = lengths.find(execution);
    require(length != lengths.end() && length->second == events, "what was committed is kept",
            fmt::format("{} has {} events in execution {}", row.id, events, execution));
}

}  // namespace toygres::sim
