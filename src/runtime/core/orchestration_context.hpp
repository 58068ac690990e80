// What an orchestration can do. Every call is recorded before anybody acts on it, and checked against the record in
// replay; so the code between two awaits must depend on nothing but its input, the answers, now(), uuid() and random().
#pragma once
#include "base/log.hpp"
#include "runtime/core/handlers.hpp"
#include "runtime/core/journal.hpp"
#include "runtime/core/policy.hpp"
#include "runtime/core/task.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace toygres::runtime {

// The answer to a command, to be awaited once. Dropped before its answer, it cancels the command: an activity gets its
// stop token, a timer is forgotten, a child is cancelled.
template <class T> class [[nodiscard]] Future : public DurableAwaitable {
  public:
    Future(Journal& journal, std::int64_t position) : journal_(&journal), position_(position) {}
    Future(Future&& other) noexcept : journal_(std::exchange(other.journal_, nullptr)), position_(other.position_) {}
    Future& operator=(Future&& other) noexcept {
        if (this != &other) {
            if (journal_) journal_->drop(position_);
            journal_ = std::exchange(other.journal_, nullptr);
            position_ = other.position_;
        }
        return *this;
    }
    ~Future() {
        if (journal_) journal_->drop(position_);
    }

    bool await_ready() const {
        const std::array one{position_};
        if (journal_->halted()) return false;
        return journal_->answered(position_) || (journal_->interrupted() && !journal_->waits_out(one));
    }
    void await_suspend(std::coroutine_handle<> handle) {
        const std::array one{position_};
        journal_->suspend(one, false, handle);
    }
    // Throws ErrorException: the failure that was recorded, or `cancelled`.
    T await_resume() {
        auto result = journal_->take(position_);
        if (!result) {
            auto error = std::move(result).error();
            if (auto* journal = std::exchange(journal_, nullptr)) journal->drop(position_);
            throw ErrorException(std::move(error));
        }
        auto& journal = *std::exchange(journal_, nullptr);
        try {
            return decode<T>(*result);
        } catch (const ErrorException& e) {
            journal.refuse("the answer to event " + std::to_string(position_) + ": " + e.error().message);
            throw;
        }
    }

    std::int64_t position() const { return position_; }
    Journal* journal() const { return journal_; }

  private:
    Journal* journal_;
    std::int64_t position_;
};

// What any() gives: the index of the winner, and its value.
template <class... Ts> struct AnyResult {
    std::size_t index;
    std::variant<Ts...> value;
};

namespace context_detail {

// Waits for the first answer in recorded order; drops the others.
template <class... Ts> class AnyAwaiter : public DurableAwaitable {
  public:
    AnyAwaiter(Journal& journal, Future<Ts>... futures)
        : journal_(journal), positions_{futures.position()...}, futures_(std::move(futures)...) {}

    bool await_ready() const {
        return !journal_.halted() && (journal_.interrupted() || journal_.ready(positions_, false));
    }
    void await_suspend(std::coroutine_handle<> handle) { journal_.suspend(positions_, false, handle); }
    AnyResult<Ts...> await_resume() { return pick(std::index_sequence_for<Ts...>()); }

  private:
    template <std::size_t... I> AnyResult<Ts...> pick(std::index_sequence<I...>) {
        std::size_t winner = sizeof...(Ts);
        for (std::size_t i = 0; i < positions_.size(); ++i)
            if (journal_.answered(positions_[i]) &&
                (winner == sizeof...(Ts) ||
                 journal_.answered_by(positions_[i]) < journal_.answered_by(positions_[winner])))
                winner = i;
        std::optional<AnyResult<Ts...>> out;
        auto futures = std::move(futures_);                                // the losers go with this scope
        if (winner == sizeof...(Ts)) std::get<0>(futures).await_resume();  // interrupted: throws
        ((I == winner ? void(out.emplace(AnyResult<Ts...>{
                            I, std::variant<Ts...>(std::in_place_index<I>, std::get<I>(futures).await_resume())}))
                      : void()),
         ...);
        return *std::move(out);
    }

    Journal& journal_;
    std::array<std::int64_t, sizeof...(Ts)> positions_;
    std::tuple<Future<Ts>...> futures_;
};

// Waits for every answer; the first failure in recorded order is thrown and the others are dropped.
template <class T> class AllAwaiter : public DurableAwaitable {
  public:
    AllAwaiter(Journal& journal, std::vector<Future<T>> futures) : journal_(journal), futures_(std::move(futures)) {
        for (const auto& future : futures_) positions_.push_back(future.position());
    }
    bool await_ready() const {
        return !journal_.halted() && (journal_.interrupted() || journal_.ready(positions_, true));
    }
    void await_suspend(std::coroutine_handle<> handle) { journal_.suspend(positions_, true, handle); }
    std::vector<T> await_resume() {
        auto futures = std::move(futures_);
        if (!journal_.ready(positions_, true) || has_failed()) first_failure(futures).await_resume();
        std::vector<T> out;
        out.reserve(futures.size());
        for (auto& future : futures) out.push_back(future.await_resume());
        return out;
    }

  private:
    bool has_failed() const {
        for (const auto p : positions_)
            if (const auto it = journal_.open().find(p);
                it != journal_.open().end() && it->second.result && !it->second.result->has_value())
                return true;
        return false;
    }
    Future<T>& first_failure(std::vector<Future<T>>& futures) const {
        Future<T>* first = nullptr;
        std::int64_t at = 0;
        for (auto& future : futures) {
            const auto it = journal_.open().find(future.position());
            if (it == journal_.open().end()) continue;
            const auto& result = it->second.result;
            if (!result) {
                if (first == nullptr) first = &future;  // interrupted: an open one throws `cancelled`
            } else if (!result->has_value() && (at == 0 || it->second.answered_by < at)) {
                first = &future;
                at = it->second.answered_by;
            }
        }
        return *first;
    }

    Journal& journal_;
    std::vector<Future<T>> futures_;
    std::vector<std::int64_t> positions_;
};

// Waits until one of several futures is answered and tells which; the futures stay the caller's.
template <class T> class FirstAwaiter : public DurableAwaitable {
  public:
    FirstAwaiter(Journal& journal, const std::vector<Future<T>>& futures) : journal_(journal) {
        for (const auto& future : futures) positions_.push_back(future.position());
    }
    bool await_ready() const {
        return !journal_.halted() && (journal_.interrupted() || journal_.ready(positions_, false));
    }
    void await_suspend(std::coroutine_handle<> handle) { journal_.suspend(positions_, false, handle); }
    std::size_t await_resume() const {
        std::size_t winner = positions_.size();
        for (std::size_t i = 0; i < positions_.size(); ++i)
            if (journal_.answered(positions_[i]) &&
                (winner == positions_.size() ||
                 journal_.answered_by(positions_[i]) < journal_.answered_by(positions_[winner])))
                winner = i;
        if (winner == positions_.size()) throw ErrorException(journal_.interruption());
        return winner;
    }

  private:
    Journal& journal_;
    std::vector<std::int64_t> positions_;
};

}  // namespace context_detail

// While one is alive, a cancellation interrupts nothing: for clean-up that has to run to its end.
class [[nodiscard]] Shield {
  public:
    explicit Shield(Journal& journal) : journal_(journal) { journal_.raise_shield(); }
    Shield(const Shield&) = delete;
    Shield& operator=(const Shield&) = delete;
    ~Shield() { journal_.lower_shield(); }

  private:
    Journal& journal_;
};

struct ChildOptions {
    std::string id{};  // empty: "<parent>/<execution>.<position>"
    ClosePolicy close = ClosePolicy::cancel;
};

// How often child_retried() starts a child that fails. As RetryPolicy, without what is of activities alone.
struct ChildRetry {
    int attempts = 3;  // the first one included; 0: no limit
    Backoff backoff = Backoff::exponential;
    milliseconds initial_delay{1'000};
    milliseconds delay_max{60'000};
    std::vector<std::string> non_retryable{};  // error codes that end it at once
};

// Ends the execution from any depth; not an error, and attempt() lets it through.
struct ContinueAsNew {
    Json input;
};

// Who an execution is.
struct Identity {
    std::string id;
    std::int64_t key;
    std::int64_t execution;
};

class OrchestrationContext {
  public:
    OrchestrationContext(Journal& journal, Handlers& handlers, Identity identity);
    OrchestrationContext(const OrchestrationContext&) = delete;
    OrchestrationContext& operator=(const OrchestrationContext&) = delete;

    // Runs an activity: at least once, retried by the policy. Fails with the activity's last error.
    template <class A> Future<typename A::Output> call(typename A::Input in, RetryPolicy policy = {}) {
        return open<typename A::Output>({.kind = EventKind::activity_scheduled,
                                         .name = std::string(A::name),
                                         .payload = encode(in),
                                         .options = journal_.replaying() ? Json() : stored_policy(policy)});
    }
    // Runs a step whose SQL commits together with the record that it ran: exactly once.
    template <class S> Future<typename S::Output> transact(typename S::Input in) {
        return open<typename S::Output>(
            {.kind = EventKind::step_scheduled, .name = std::string(S::name), .payload = encode(in)});
    }
    Future<Nothing> sleep(milliseconds duration) { return sleep_until(now() + duration); }
    Future<Nothing> sleep_until(Timestamp when) {
        return open<Nothing>({.kind = EventKind::timer_created, .at = when});
    }
    // The next signal of that name: in order of arrival, kept until somebody waits, also across continue_as_new.
    template <class T> Future<T> wait(std::string signal) {
        return open<T>({.kind = EventKind::wait_started, .name = std::move(signal)});
    }
    // Fails with the child's error, or conflict/"orchestration_exists".
    template <class O> Future<typename O::Output> child(typename O::Input in, ChildOptions options = {}) {
        if (options.id.empty()) options.id = child_id();
        return open<typename O::Output>({.kind = EventKind::child_scheduled,
                                         .name = std::string(O::name),
                                         .target = std::move(options.id),
                                         .payload = encode(in),
                                         .options = {{"close", enum_name(options.close)}}});
    }
    // As child(), and again when it fails, as far as the error allows a retry at all: each time a child of its own,
    // whose id has "/2", "/3", … behind it. Fails with the last one's error.
    template <class O>
    Task<typename O::Output> child_retried(typename O::Input in, ChildRetry retry, ChildOptions options = {});
    // Starts an orchestration that lives on its own. Await it to learn of a conflict, or drop it.
    template <class O>
    Future<Nothing> detach(std::string id, typename O::Input in, OnConflict on_conflict = OnConflict::use_existing) {
        return open<Nothing>({.kind = EventKind::detach_scheduled,
                              .name = std::string(O::name),
                              .target = std::move(id),
                              .payload = encode(in),
                              .options = {{"conflict", enum_name(on_conflict)}}});
    }

    template <class... Ts> auto any(Future<Ts>... futures) {
        return context_detail::AnyAwaiter<Ts...>(journal_, std::move(futures)...);
    }
    template <class T> auto all(std::vector<Future<T>> futures) {
        return context_detail::AllAwaiter<T>(journal_, std::move(futures));
    }
    // The index of the first that is answered; the caller awaits or erases it.
    template <class T> auto first_of(const std::vector<Future<T>>& futures) {
        return context_detail::FirstAwaiter<T>(journal_, futures);
    }

    // An awaitable's error as a value, so that clean-up can be awaited: there is no co_await in a catch block.
    template <class T> Task<Result<T>> attempt(Task<T> task);
    template <class T> Task<Result<T>> attempt(Future<T> future);

    Shield shield() { return Shield(journal_); }
    // The reason of a pending cancellation.
    std::optional<std::string> cancelled() const { return journal_.cancel_reason(); }

    // Ends this execution and begins the next with `input`, in the latest version; signals that nobody took go with it.
    template <class Input> [[noreturn]] void continue_as_new(const Input& input) { throw ContinueAsNew{encode(input)}; }

    Timestamp now() const { return journal_.now(); }
    std::string uuid();
    std::uint64_t random();
    // Answers `name` by code that looks at the live state and changes nothing, as long as what this gives is alive.
    // answer: Out(In). After a takeover it is there again once the code has come by here.
    template <class In, class Answer> Answering on_query(std::string name, Answer answer) {
        return Answering(handlers_, std::move(name),
                         Handlers::Query([answer](const Json& input) { return encode(answer(decode<In>(input))); }));
    }
    // Takes updates: `check`, void(In), raises what is wrong with one, and nothing has happened; else it is recorded,
    // and what `apply`, Out(In), gives is the answer. That may change the state, call what does not wait, and post() a
    // signal to the code that waits; what it raises is recorded as well, and the state is as it left it.
    template <class In, class Check, class Apply> Answering on_update(std::string name, Check check, Apply apply) {
        return Answering(handlers_, std::move(name),
                         Handlers::Update{[check](const Json& input) { check(decode<In>(input)); },
                                          [apply](const Json& input) { return encode(apply(decode<In>(input))); }});
    }
    // A signal to itself, kept like any other until somebody waits for it.
    void post(const std::string& signal, Json payload);
    // Visible outside as soon as it is recorded.
    void set_status(Json status);
    // Logs once: silent in replay.
    void log(std::string_view event, log::Fields fields = {}) const;

    const std::string& id() const { return identity_.id; }
    // In what was taken over by a reset: that of the execution it comes from.
    std::int64_t execution() const { return journal_.origin(identity_.execution); }
    // For the registry: the input as the code has it.
    template <class T> T read_input(const Json& input) {
        try {
            return decode<T>(input);
        } catch (const ErrorException& e) {
            journal_.refuse("the input: " + e.error().message);
            throw;
        }
    }
    // Events so far; past some hundreds it is time to continue as new.
    std::int64_t history_size() const { return journal_.next_position() - 1; }

  private:
    // Of the next command, if it is a child that was given none.
    std::string child_id() const {
        return identity_.id + "/" + std::to_string(execution()) + "." + std::to_string(journal_.next_position());
    }
    template <class T> Future<T> open(Event command) {
        handlers_.must_not_look();
        check_payload(command.payload);
        return Future<T>(journal_, journal_.emit(std::move(command)));
    }

    Journal& journal_;
    Handlers& handlers_;
    Identity identity_;
    std::uint64_t random_state_ = 0;
    std::int64_t seeded_for_ = 0;  // execution; 0: not yet
};

template <class T> Task<Result<T>> OrchestrationContext::attempt(Task<T> task) {
    try {
        if constexpr (std::is_void_v<T>) {
            co_await std::move(task);
            co_return Result<T>();
        } else {
            co_return Result<T>(co_await std::move(task));
        }
    } catch (const ContinueAsNew&) {
        throw;
    } catch (...) {
        co_return Result<T>(std::unexpected(current_error()));
    }
}

template <class T> Task<Result<T>> OrchestrationContext::attempt(Future<T> future) {
    try {
        co_return Result<T>(co_await std::move(future));
    } catch (...) {
        co_return Result<T>(std::unexpected(current_error()));
    }
}

template <class O>
Task<typename O::Output> OrchestrationContext::child_retried(typename O::Input in, ChildRetry retry,
                                                             ChildOptions options) {
    if (options.id.empty()) options.id = child_id();
    const auto first = options.id;
    const RetryPolicy pace{
        .backoff = retry.backoff, .initial_delay = retry.initial_delay, .delay_max = retry.delay_max};
    for (int number = 1;; ++number) {
        if (number > 1) options.id = first + "/" + std::to_string(number);
        auto out = co_await attempt(child<O>(in, options));
        if (out) co_return *std::move(out);
        const auto& error = out.error();
        const bool last = (retry.attempts != 0 && number >= retry.attempts) || error.kind == ErrorKind::cancelled ||
                          error.code == "orchestration_exists" ||
                          std::ranges::find(retry.non_retryable, error.code) != retry.non_retryable.end();
        if (last) throw ErrorException(error);
        co_await sleep(delay_before(pace, number + 1));
    }
}

}  // namespace toygres::runtime
