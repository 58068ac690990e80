// The ledger between one execution's code and its history: which commands are open, who waits, what is in the mailbox.
// Sans I/O. OrchestrationContext speaks to it; Execution drives it. In replay it checks each command of the code
// against the recorded one; live it appends.
#pragma once
#include "runtime/core/event.hpp"

#include <coroutine>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace toygres::runtime {

// The most that one execution may record; beyond it, it fails with "history_too_long". Continue as new before.
inline constexpr std::int64_t history_events_max = 50'000;

// A command whose answer is outstanding, or has come and was not yet taken by the code.
struct OpenCommand {
    Event command;
    Timestamp opened_at{};
    std::optional<Result<Json>> result{};
    std::int64_t answered_by = 0;  // position of the arrival: decides races
    bool awaited = false;          // by the present wait
    bool cancel_sent = false;      // child_cancelled was recorded
};

class Journal {
  public:
    // --- for the code, through the context -----------------------------------------------------------------------
    // Records a command (or checks it, in replay) and opens it when it has an answer; its position.
    std::int64_t emit(Event command);
    bool answered(std::int64_t position) const;
    // Nobody waits for it any more. A signal that it had taken goes back to the mailbox.
    void drop(std::int64_t position);
    // The answer, which closes the command. Raises `cancelled` when there is none: the wait was interrupted.
    Result<Json> take(std::int64_t position);
    // Whether a wait on these must end now. `all`: every one answered, or one failed; otherwise one answered.
    bool ready(std::span<const std::int64_t> positions, bool all) const;
    // What the code does from here on counts for nothing: it differs from its record, or has recorded too much. No wait
    // that it begins now ends, lest it tries again for ever.
    bool halted() const { return !difference_.empty() || !unreadable_.empty() || next_ > history_events_max; }
    // The code cannot read what it was given: what it does from here on counts for nothing.
    void refuse(std::string words) {
        if (unreadable_.empty()) unreadable_ = std::move(words);
    }
    const std::string& unreadable() const { return unreadable_; }
    // Suspends `handle` until ready() or interrupted; children among `positions` are asked to cancel when it already
    // is.
    void suspend(std::span<const std::int64_t> positions, bool all, std::coroutine_handle<> handle);
    // A wait is interrupted when a cancellation is pending and no shield is up.
    bool interrupted() const { return cancel_reason_.has_value() && shields_ == 0; }
    // A wait on a single child is not interrupted but cancels the child and goes on.
    bool waits_out(std::span<const std::int64_t> positions) const;
    // A signal from the code itself, as if it had arrived with what the code now answers to.
    void post(Event signal) { take_signal(next_ - 1, signal); }
    void raise_shield() { ++shields_; }
    void lower_shield() { --shields_; }
    std::optional<std::string> cancel_reason() const { return cancel_reason_; }
    Timestamp now() const { return now_; }
    std::int64_t next_position() const { return next_; }
    bool replaying() const { return replaying_; }
    const Json& status() const { return status_; }
    // Whose numbers the code gets at the present position: of the execution that this part of the history was taken
    // over from, or its `own`.
    std::int64_t origin(std::int64_t own) const;
    // What a wait that was interrupted throws.
    Error interruption();
    // The position at which the answer of `position` was recorded.
    std::int64_t answered_by(std::int64_t position) const;

    // --- for Execution ---------------------------------------------------------------------------------------------
    // Whether a signal or an update with that key was taken before.
    bool repeated(const Event& arrival) const;
    // Takes in an arrival at the next position; in replay, its payload goes where it is needed. False: it is for nobody
    // (late, repeated), and was not recorded.
    bool accept(Event& arrival);
    // The coroutine that may go on, if any; clears it.
    std::coroutine_handle<> runnable();
    // In replay: `recorded` are the commands that must be emitted next, in order; each is taken as it comes up.
    void expect(std::span<Event> recorded);
    // After a run in replay: commands recorded but not emitted are a difference too.
    void expect_end();
    const std::string& first_difference() const { return difference_; }
    std::int64_t difference_position() const { return difference_position_; }
    void go_live() { replaying_ = false; }
    std::vector<Event> take_new_events() { return std::exchange(new_events_, {}); }
    const std::map<std::int64_t, OpenCommand>& open() const { return open_; }
    // From now on nothing that the code's destructors do is recorded.
    void tear_down() { torn_down_ = true; }
    const std::optional<Event>& terminal() const { return terminal_; }
    // What continue_as_new hands to the next execution: {"carried": […], "seen": […], "cancel": the reason of one that
    // the code was not told of}.
    Json carry_over() const;

  private:
    void answer(OpenCommand& command, Result<Json> result, std::int64_t by);
    void take_signal(std::int64_t position, const Event& signal);
    void remember(const std::string& key);
    void fill_from_mailbox(OpenCommand& command);
    void differ(std::int64_t position, std::string words);
    void cancel_children(std::span<const std::int64_t> positions);

    std::map<std::int64_t, OpenCommand> open_;
    std::map<std::string, std::deque<std::pair<std::int64_t, Event>>> mailbox_;  // signals nobody took, by arrival
    std::deque<std::string> seen_keys_;                                          // dedup keys, oldest first
    std::set<std::string> seen_;
    std::vector<Event> new_events_;
    std::span<Event> expected_;
    Json readable_options_;  // of a recorded command, looked at last
    std::string difference_;
    std::string unreadable_;
    std::int64_t difference_position_ = 0;
    std::int64_t next_ = 1;
    Timestamp now_{};
    Json status_;
    std::vector<Origin> origins_;
    std::optional<std::string> cancel_reason_;
    bool cancel_delivered_ = false;  // the code was told
    std::optional<Event> terminal_;
    int shields_ = 0;
    bool replaying_ = false;
    bool torn_down_ = false;

    std::vector<std::int64_t> awaited_;
    std::size_t awaited_open_ = 0;
    bool awaits_all_ = false;
    bool awaited_ready_ = false;
    std::coroutine_handle<> waiter_;
};

}  // namespace toygres::runtime
