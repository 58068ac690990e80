#include "runtime/core/journal.hpp"

#include "base/assert.hpp"
#include "runtime/core/planted.hpp"
#include "runtime/core/policy.hpp"

#include <fmt/format.h>

namespace toygres::runtime {
namespace {

constexpr std::size_t seen_keys_max = 1000;

bool has_answer(EventKind kind) {
    switch (kind) {
        case EventKind::activity_scheduled:
        case EventKind::step_scheduled:
        case EventKind::timer_created:
        case EventKind::wait_started:
        case EventKind::child_scheduled:
        case EventKind::detach_scheduled:
            return true;
        default:
            return false;
    }
}

// Which command an arrival may answer.
std::optional<EventKind> answers(EventKind arrival) {
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

bool is_failure(EventKind kind) {
    return kind == EventKind::activity_failed || kind == EventKind::step_failed || kind == EventKind::child_failed ||
           kind == EventKind::detach_failed;
}

// Under which it is known to have been taken; empty: it is not remembered.
std::string key_of(const Event& arrival) {
    if (arrival.kind == EventKind::signal_received) return arrival.target;
    if (arrival.kind == EventKind::update_received && !planted(Fault::request_forgotten))
        return "update/" + arrival.target;
    return {};
}

template <class E> bool names_one_of(const Json& options, const char* key) {
    const auto it = options.is_object() ? options.find(key) : options.end();
    return it != options.end() && it->is_string() && enum_from<E>(it->template get<std::string>());
}

// Whether the options of a recorded command are such as its kind has: they are obeyed, also where the code's differ.
bool readable_options(const Event& recorded) {
    switch (recorded.kind) {
        case EventKind::activity_scheduled:
            try {
                policy_from_stored(recorded.options);
                return true;
            } catch (const ErrorException&) {
                return false;
            }
        case EventKind::child_scheduled:
            return names_one_of<ClosePolicy>(recorded.options, "close");
        case EventKind::detach_scheduled:
            return names_one_of<OnConflict>(recorded.options, "conflict");
        default:
            return true;
    }
}

[[noreturn]] void bad_record(std::string what) { raise(ErrorKind::invalid, "bad_history", std::move(what)); }

}  // namespace

std::int64_t Journal::emit(Event command) {
    const auto position = next_;
    if (torn_down_ || terminal_) return position;
    if (replaying_) {
        if (!difference_.empty()) return position;
        if (expected_.empty()) {
            differ(position, fmt::format("the code does {}, the history has nothing there", describe(command)));
            return position;
        }
        if (auto words = difference(expected_.front(), command); !words.empty()) {
            differ(position, std::move(words));
            return position;
        }
        if (const auto& options = expected_.front().options; options != readable_options_) {
            if (!readable_options(expected_.front())) {
                differ(position, fmt::format("{}: its options cannot be read", describe(expected_.front())));
                return position;
            }
            readable_options_ = options;
        }
        command = std::move(expected_.front());  // recorded times and policies hold
        expected_ = expected_.subspan(1);
    } else {
        new_events_.push_back(command);
    }
    ++next_;
    if (command.kind == EventKind::status_set) status_ = command.payload;
    if (is_terminal(command.kind)) terminal_ = command;
    if (has_answer(command.kind)) {
        const bool is_wait = command.kind == EventKind::wait_started;
        auto& open =
            open_.emplace(position, OpenCommand{.command = std::move(command), .opened_at = now_}).first->second;
        if (is_wait) fill_from_mailbox(open);
    }
    return position;
}

void Journal::fill_from_mailbox(OpenCommand& open) {
    const auto box = mailbox_.find(open.command.name);
    if (box == mailbox_.end() || box->second.empty()) return;
    const auto [arrived, signal] = box->second.front();
    box->second.pop_front();
    open.answered_by = arrived;
    open.result = signal.payload;
}

std::int64_t Journal::origin(std::int64_t own) const {
    for (const auto& part : origins_)
        if (next_ < part.until) return part.execution;
    return own;
}

bool Journal::answered(std::int64_t position) const {
    const auto it = open_.find(position);
    return it != open_.end() && it->second.result.has_value();
}

std::int64_t Journal::answered_by(std::int64_t position) const {
    const auto it = open_.find(position);
    return it == open_.end() ? 0 : it->second.answered_by;
}

void Journal::drop(std::int64_t position) {
    if (torn_down_) return;
    const auto it = open_.find(position);
    if (it == open_.end()) return;
    auto open = std::move(it->second);
    open_.erase(it);
    if (open.result) {
        if (open.command.kind == EventKind::wait_started && *open.result) {
            auto& box = mailbox_[open.command.name];
            auto back = Event{.kind = EventKind::signal_received, .name = open.command.name, .payload = **open.result};
            const auto before = std::ranges::find_if(box, [&](const auto& s) { return s.first > open.answered_by; });
            box.insert(before, {open.answered_by, std::move(back)});
        }
        return;
    }
    if (open.command.kind == EventKind::detach_scheduled) return;
    emit({.kind = EventKind::cancelled, .of = position});
}

Result<Json> Journal::take(std::int64_t position) {
    const auto it = open_.find(position);
    if (it != open_.end() && it->second.result) {
        auto result = *std::move(it->second.result);
        open_.erase(it);
        return result;
    }
    return std::unexpected(interruption());
}

Error Journal::interruption() {
    cancel_delivered_ = true;
    return {ErrorKind::cancelled, "cancelled", cancel_reason_.value_or("cancelled")};
}

bool Journal::ready(std::span<const std::int64_t> positions, bool all) const {
    for (const auto position : positions) {
        const auto it = open_.find(position);
        const bool done = it == open_.end() || it->second.result.has_value();
        if (!all && done) return true;
        if (all && !done) return false;
        if (all && it != open_.end() && !it->second.result->has_value()) return true;
    }
    return all;
}

bool Journal::waits_out(std::span<const std::int64_t> positions) const {
    if (positions.size() != 1) return false;
    const auto it = open_.find(positions.front());
    return it != open_.end() && it->second.command.kind == EventKind::child_scheduled;
}

void Journal::suspend(std::span<const std::int64_t> positions, bool all, std::coroutine_handle<> handle) {
    TG_ASSERT(!waiter_);
    if (interrupted()) cancel_children(positions);
    waiter_ = handle;
    awaits_all_ = all;
    awaited_ready_ = false;
    awaited_.assign(positions.begin(), positions.end());
    awaited_open_ = 0;
    for (const auto position : awaited_)
        if (const auto it = open_.find(position); it != open_.end() && !it->second.result) {
            it->second.awaited = true;
            ++awaited_open_;
        }
}

void Journal::cancel_children(std::span<const std::int64_t> positions) {
    for (const auto position : positions) {
        const auto it = open_.find(position);
        if (it == open_.end() || it->second.cancel_sent) continue;
        it->second.cancel_sent = true;
        cancel_delivered_ = true;
        emit({.kind = EventKind::child_cancelled, .of = position});
    }
}

void Journal::answer(OpenCommand& open, Result<Json> result, std::int64_t by) {
    const bool failed = !result.has_value();
    open.result = std::move(result);
    open.answered_by = by;
    if (!open.awaited) return;
    open.awaited = false;
    --awaited_open_;
    if (!awaits_all_ || failed || awaited_open_ == 0) awaited_ready_ = true;
}

bool Journal::repeated(const Event& arrival) const { return seen_.contains(key_of(arrival)); }

void Journal::remember(const std::string& key) {
    if (key.empty()) return;
    seen_.insert(key);
    seen_keys_.push_back(key);
    if (seen_keys_.size() <= seen_keys_max) return;
    seen_.erase(seen_keys_.front());
    seen_keys_.pop_front();
}

void Journal::take_signal(std::int64_t position, const Event& signal) {
    const auto waiting = std::ranges::find_if(open_, [&](const auto& entry) {
        const auto& open = entry.second;
        return open.command.kind == EventKind::wait_started && !open.result && open.command.name == signal.name;
    });
    if (waiting != open_.end())
        answer(waiting->second, signal.payload, position);
    else
        mailbox_[signal.name].emplace_back(position, signal);
}

bool Journal::accept(Event& arrival) {
    if (terminal_ || torn_down_) return false;
    OpenCommand* target = nullptr;
    if (const auto kind = answers(arrival.kind)) {
        const auto it = open_.find(arrival.of);
        if (it == open_.end() || it->second.result || it->second.command.kind != *kind) return false;
        target = &it->second;
    } else if (repeated(arrival)) {
        return false;
    } else if (arrival.kind == EventKind::cancel_requested) {
        if (cancel_reason_) return false;
    } else if (arrival.kind == EventKind::started) {
        if (next_ != 1) return false;
    }

    if (is_failure(arrival.kind) && !arrival.payload.is_object()) bad_record("its error is not an object");
    const auto position = next_++;
    // Also when it lies before the last: a clock that was set back must not make time stand still until it is caught
    // up.
    now_ = arrival.at;
    if (!replaying_) new_events_.push_back(arrival);

    if (target != nullptr) {
        auto result = is_failure(arrival.kind)    ? Result<Json>(std::unexpected(error_from_json(arrival.payload)))
                      : arrival.payload.is_null() ? Result<Json>(Json::object())
                      : replaying_                ? Result<Json>(std::move(arrival.payload))
                                                  : Result<Json>(arrival.payload);
        answer(*target, std::move(result), position);
    } else if (arrival.kind == EventKind::signal_received) {
        remember(key_of(arrival));
        take_signal(position, arrival);
    } else if (arrival.kind == EventKind::update_received) {
        remember(key_of(arrival));
    } else if (arrival.kind == EventKind::cancel_requested) {
        cancel_reason_ = arrival.payload.is_string() ? arrival.payload.get<std::string>() : "cancelled";
        if (waiter_ && interrupted()) {
            if (waits_out(awaited_))
                cancel_children(awaited_);
            else
                awaited_ready_ = true;
        }
    } else if (arrival.kind == EventKind::started && arrival.options.is_object()) {
        origins_ = origins_of(arrival);
        for (const auto& signal : arrival.options.value("carried", Json::array())) {
            auto event = event_from_json(signal);
            if (!event) bad_record("what it carries cannot be read");
            mailbox_[event->name].emplace_back(0, *std::move(event));
        }
        for (const auto& key : arrival.options.value("seen", Json::array())) {
            if (!key.is_string()) bad_record("what it carries cannot be read");
            seen_keys_.push_back(key.get<std::string>());
            seen_.insert(seen_keys_.back());
        }
        if (const auto it = arrival.options.find("cancel"); it != arrival.options.end()) {
            if (!it->is_string()) bad_record("what it carries cannot be read");
            cancel_reason_ = it->get<std::string>();
        }
    }
    return true;
}

std::coroutine_handle<> Journal::runnable() {
    if (!waiter_ || !awaited_ready_) return {};
    awaited_ready_ = false;
    for (const auto position : awaited_)
        if (const auto it = open_.find(position); it != open_.end()) it->second.awaited = false;
    awaited_.clear();
    return std::exchange(waiter_, {});
}

void Journal::expect(std::span<Event> recorded) {
    replaying_ = true;
    expected_ = recorded;
}

void Journal::expect_end() {
    if (difference_.empty() && !expected_.empty())
        differ(next_, fmt::format("recorded is {}, the code does nothing there", describe(expected_.front())));
}

void Journal::differ(std::int64_t position, std::string words) {
    if (!difference_.empty()) return;
    difference_ = std::move(words);
    difference_position_ = position;
}

Json Journal::carry_over() const {
    std::multimap<std::int64_t, Event> left;  // keeps the order of equal keys
    for (const auto& [name, box] : mailbox_) left.insert(box.begin(), box.end());
    Json out;
    for (const auto& [arrived, signal] : left) out["carried"].push_back(to_json_value(signal));
    if (planted(Fault::dedup_forgotten_at_continue)) return out;
    for (const auto& key : seen_keys_) out["seen"].push_back(key);
    if (cancel_reason_ && !cancel_delivered_) out["cancel"] = *cancel_reason_;
    return out;
}

}  // namespace toygres::runtime
