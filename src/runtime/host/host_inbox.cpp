// The host's side of the inbox: notices, the safety poll, and messages becoming arrivals.
#include "base/log.hpp"
#include "runtime/core/planted.hpp"
#include "runtime/host/host.hpp"

#include <fmt/format.h>

namespace toygres::runtime {

using namespace std::chrono_literals;

namespace {

std::string without(std::string_view prefix, std::string_view stored) {
    if (stored.starts_with(prefix)) stored.remove_prefix(prefix.size());
    return std::string(stored);
}

// That of an orchestration whose id was free, as its start made it.
OrchestrationRow first_row(StartRequest request, const StartOutcome& outcome, Timestamp now) {
    return {.key = outcome.key,
            .id = std::move(request.id),
            .name = std::move(request.name),
            .version = {},
            .execution = 1,
            .status = Status::pending,
            .parent = std::move(request.parent),
            .detached = request.detached,
            .input = std::move(request.input),
            .output = {},
            .error = {},
            .custom_status = {},
            .tags = std::move(request.tags),
            .next_event = 1,
            .created_at = now,
            .updated_at = now,
            .finished_at = {}};
}

}  // namespace

std::string cancel_key(const Parent& command) {
    return fmt::format("cancel/{}/{}/{}", command.id, command.execution, command.event);
}

asio::awaitable<void> Host::listen() {
    Pause pause(io_.get_executor(), clock_);
    while (!stopping_) {
        auto notice = co_await store_.next_notice();
        if (stopping_) break;
        if (!notice) {
            co_await pause.wait(200ms);
            continue;
        }
        if (notice->empty()) membership_wake_.wake();
        const bool ours = notice->empty() || std::ranges::any_of(*notice, [&](int s) { return owned_.contains(s); });
        if (ours) {
            inbox_due_ = true;
            inbox_wake_.wake();
        }
    }
}

asio::awaitable<Result<StartOutcome>> Host::begin(StartRequest request) {
    const auto owner = epoch_of(shard_of(request.id));
    const auto reading = readings_.begin();
    auto outcome = co_await store_.start(request);
    if (!outcome || !outcome->created) co_return outcome;
    note_nudge(request.id);
    const bool ours = owner && still_owned(*owner) && !draining_.contains(owner->shard);
    if (ours && request.on_conflict != OnConflict::replace_terminal) {
        const Message start{
            .id = outcome->start_message, .orchestration = request.id, .kind = MessageKind::start, .name = {}};
        adopt(first_row(std::move(request), *outcome, clock_.now()));
        take_message(start);
    } else {
        nudge(request.id);
    }
    co_return outcome;
}

void Host::note_nudge(const std::string& orchestration) {
    if (const auto live = live_.find(orchestration); live != live_.end()) live->second->nudged = true;
}

void Host::nudge(const std::string& orchestration) {
    note_nudge(orchestration);
    const auto shard = shard_of(orchestration);
    if (!owned_.contains(shard)) return notify(shard);
    inbox_due_ = true;
    inbox_wake_.wake();
}

asio::awaitable<void> Host::poll_inbox() {
    while (!stopping_) {
        if (!inbox_due_) {
            const auto jitter = milliseconds(clock_.random() % 1000);
            co_await inbox_wake_.wait(options_.inbox_poll / 2 + jitter * options_.inbox_poll.count() / 1000);
        }
        if (stopping_) break;
        inbox_due_ = false;
        co_await take_inbox();
    }
}

// What was read before a turn consumed it may arrive after: it stays known until no such reading is left.
// One whose turn failed is there still, and nothing that came after it may overtake it.
void Host::was_consumed(std::int64_t message, bool committed) {
    if (!committed || planted(Fault::message_taken_twice))
        taken_.erase(message);
    else
        readings_.when_ended([this, message] { taken_.erase(message); });
}

asio::awaitable<void> Host::take_inbox() {
    std::vector<int> shards;
    for (const auto& [shard, epoch] : owned_)
        if (!draining_.contains(shard)) shards.push_back(shard);
    if (shards.empty()) co_return;
    const auto reading = readings_.begin();
    // What is read counts for the epochs in which it was asked for.
    const auto ours = [&, before = owned_](const std::string& orchestration) {
        const auto then = before.find(shard_of(orchestration));
        return then != before.end() && still_owned({then->first, then->second}) && !draining_.contains(then->first);
    };
    auto messages = co_await store_.load_inbox(shards);
    if (!messages) {
        Pause pause(io_.get_executor(), clock_);
        co_await pause.wait(200ms);
        inbox_due_ = true;
        co_return;
    }
    std::vector<Message> fresh;
    std::set<std::string> unknown;
    for (auto& message : *messages) {
        if (taken_.contains(message.id)) continue;
        if (!live_.contains(message.orchestration)) unknown.insert(message.orchestration);
        fresh.push_back(std::move(message));
    }
    if (!unknown.empty()) {
        auto rows = co_await store_.load({unknown.begin(), unknown.end()});
        if (!rows) {
            inbox_due_ = true;
            co_return;
        }
        for (auto& row : *rows)
            if (!row.finished_at && ours(row.id)) adopt(std::move(row));
    }
    for (const auto& message : fresh) {
        if (!ours(message.orchestration) || taken_.contains(message.id)) continue;
        if (live_.contains(message.orchestration) || unknown.contains(message.orchestration))
            take_message(message);
        else
            inbox_due_ = true;  // what it was for has ended meanwhile; another may have its id by now
    }
}

void Host::take_message(const Message& message) {
    // While the answer to a step's commit is out, the step may be tried again, and its completion in the inbox is what
    // keeps it from happening twice: it stays there until the step itself brings it.
    if (message.kind == MessageKind::step_completed &&
        steps_running_->contains({message.orchestration, message.execution, message.event}))
        return;
    deliver(message);
}

void Host::deliver(const Message& message) {
    if (!taken_.insert(message.id).second) return;
    const auto it = live_.find(message.orchestration);
    if (it == live_.end()) return consume(message);  // it has ended, or never was
    // A parent's cancellation is for the child that its command started, not for another that had the id before.
    const auto& parent = it->second->row.parent;
    if (message.kind == MessageKind::cancel && message.dedup_key.starts_with("cancel/") &&
        !(parent && message.dedup_key == cancel_key(*parent)))
        return consume(message);
    post(it->second, to_arrival(message));
}

Arrival Host::to_arrival(const Message& message) const {
    Arrival out{.event = {.kind = EventKind::started}, .message_id = message.id, .execution = message.execution};
    switch (message.kind) {
        case MessageKind::start:
            break;
        case MessageKind::signal:
            out.event = {.kind = EventKind::signal_received,
                         .name = message.name,
                         .target = without(signal_key_prefix, message.dedup_key),
                         .payload = message.payload};
            break;
        case MessageKind::cancel:
            out.event = {.kind = EventKind::cancel_requested, .payload = message.payload};
            break;
        case MessageKind::terminate:
            out.event = {.kind = EventKind::cancel_requested, .payload = message.payload};
            out.order = Order::terminate;
            break;
        case MessageKind::pause:
            out.order = Order::pause;
            break;
        case MessageKind::resume:
            out.order = Order::resume;
            break;
        case MessageKind::query:
        case MessageKind::update:
            out.event = {.kind = EventKind::update_received,
                         .name = message.name,
                         .target = without(request_key_prefix, message.dedup_key),
                         .payload = message.payload};
            out.order = message.kind == MessageKind::query ? Order::query : Order::update;
            break;
        case MessageKind::child_completed:
            out.event = {.kind = EventKind::child_completed, .of = message.event, .payload = message.payload};
            break;
        case MessageKind::child_failed:
            out.event = {.kind = EventKind::child_failed, .of = message.event, .payload = message.payload};
            break;
        case MessageKind::step_completed:
            out.event = {.kind = EventKind::step_completed, .of = message.event, .payload = message.payload};
            break;
    }
    return out;
}

// Removes a message that nobody is left to take.
void Host::consume(const Message& message) {
    Turn turn{.id = message.orchestration, .consumed = {message.id}};
    if (const auto arrival = to_arrival(message); arrival.is_question())
        turn.answers.push_back(answer_to(arrival, std::unexpected(orchestration_finished(message.orchestration))));
    consume(std::move(turn));
}

void Host::consume(Turn turn) {
    const auto owner = epoch_of(shard_of(turn.id));
    if (!owner) return;
    auto done = [this, id = turn.id, consumed = turn.consumed,
                 answers = turn.answers](const Result<TurnReceipt>& receipt) {
        for (const auto message : consumed) was_consumed(message, receipt.has_value());
        if (receipt) tell_askers(id, answers);
    };
    committer_->submit({std::move(turn), *owner, 0ms, std::move(done)});
}

void Host::notify(int shard) {
    notices_.insert(shard);
    if (sending_notices_) return;
    sending_notices_ = true;
    spawn(send_notices());
}

// One notice for all that gathered meanwhile, outside of any turn's transaction. A lost one costs a poll interval.
asio::awaitable<void> Host::send_notices() {
    while (!notices_.empty()) {
        std::vector<int> shards(notices_.begin(), notices_.end());
        notices_.clear();
        if (auto sent = co_await store_.notify(std::move(shards)); !sent) break;
    }
    sending_notices_ = false;
}

}  // namespace toygres::runtime
