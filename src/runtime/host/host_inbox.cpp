// The host's side of the inbox: notices, the safety poll, and messages becoming arrivals.
#include "base/crypto.hpp"
#include "base/log.hpp"
#include "runtime/host/host.hpp"

namespace toygres::runtime {

using namespace std::chrono_literals;

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

void Host::nudge(const std::string& orchestration) {
    const auto shard = shard_of(orchestration);
    if (!owned_.contains(shard)) return notify(shard);
    inbox_due_ = true;
    inbox_wake_.wake();
}

asio::awaitable<void> Host::poll_inbox() {
    while (!stopping_) {
        if (!inbox_due_) {
            const auto jitter = milliseconds(digest64(random_bytes(8)) % 1000);
            co_await inbox_wake_.wait(options_.inbox_poll / 2 + jitter * options_.inbox_poll.count() / 1000);
        }
        if (stopping_) break;
        inbox_due_ = false;
        co_await read_inbox();
    }
}

asio::awaitable<void> Host::read_inbox() {
    ++readings_;
    co_await take_inbox();
    reading_ended();
}

// What was read before a turn consumed it may arrive after: it stays known until no such reading is left.
void Host::was_consumed(std::int64_t message) {
    if (readings_ == 0)
        taken_.erase(message);
    else
        consumed_.push_back(message);
}

void Host::reading_ended() {
    if (--readings_ > 0) return;
    for (const auto message : consumed_) taken_.erase(message);
    consumed_.clear();
}

asio::awaitable<void> Host::take_inbox() {
    std::vector<int> shards;
    for (const auto& [shard, epoch] : owned_)
        if (!draining_.contains(shard)) shards.push_back(shard);
    if (shards.empty()) co_return;
    const auto before = owned_;
    auto messages = co_await store_.load_inbox(shards);
    if (!messages) {
        Pause pause(io_.get_executor(), clock_);
        co_await pause.wait(200ms);
        inbox_due_ = true;
        co_return;
    }
    std::vector<Message> fresh;
    std::vector<std::string> unknown;
    for (auto& message : *messages) {
        if (taken_.contains(message.id)) continue;
        if (!live_.contains(message.orchestration)) unknown.push_back(message.orchestration);
        fresh.push_back(std::move(message));
    }
    if (!unknown.empty()) {
        auto rows = co_await store_.load(unknown);
        if (!rows) {
            inbox_due_ = true;
            co_return;
        }
        for (auto& row : *rows) {
            const auto shard = shard_of(row.id);
            if (row.finished_at || live_.contains(row.id) || !owned_.contains(shard) || draining_.contains(shard))
                continue;
            const bool fresh_row = row.next_event == 1;
            auto id = row.id;
            auto live = std::make_shared<Live>(Live{.row = std::move(row), .shard = shard});
            live->recovering = !fresh_row;
            live_.emplace(std::move(id), live);
        }
    }
    for (const auto& message : fresh) {
        const auto shard = shard_of(message.orchestration);
        const auto then = before.find(shard);
        if (then == before.end() || !still_owned({shard, then->second}) || draining_.contains(shard)) continue;
        if (!taken_.contains(message.id)) take_message(message);
    }
}

void Host::take_message(const Message& message) {
    if (!taken_.insert(message.id).second) return;
    const auto it = live_.find(message.orchestration);
    if (it == live_.end()) return consume(message);  // it has ended, or never was
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
                         .target = message.dedup_key,
                         .payload = message.payload};
            break;
        case MessageKind::cancel:
            out.event = {.kind = EventKind::cancel_requested, .payload = message.payload};
            break;
        case MessageKind::terminate:
            out.event = {.kind = EventKind::cancel_requested, .payload = message.payload};
            out.terminate = true;
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
    const auto owner = epoch_of(shard_of(message.orchestration));
    if (!owner) return;
    Turn turn{.id = message.orchestration, .consumed = {message.id}};
    committer_->submit(
        {std::move(turn), *owner, [this, id = message.id](const Result<TurnReceipt>&) { was_consumed(id); }});
}

void Host::notify(int shard) {
    notices_.insert(shard);
    if (sending_notices_) return;
    sending_notices_ = true;
    asio::co_spawn(io_, send_notices(), asio::detached);
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
