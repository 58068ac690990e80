// What the rest of the product does with orchestrations: start, signal, cancel, look, wait.
#pragma once
#include "runtime/core/event.hpp"
#include "runtime/host/clock.hpp"
#include "runtime/store/store.hpp"

#include <map>
#include <memory>

namespace toygres::runtime {

class Host;

// One recorded event as a client sees it.
struct RecordedEvent {
    std::int64_t execution;
    std::int64_t event;  // position, from 1
    std::string kind;
    std::optional<std::string> name;
    std::optional<std::int64_t> of;
    std::optional<std::string> target;
    Json data;
    Json options;
    std::optional<Timestamp> at;
};
BOOST_DESCRIBE_STRUCT(RecordedEvent, (), (execution, event, kind, name, of, target, data, options, at))

class Client {
  public:
    // `host`: the one of this process, if there is one: it is told at once of what was put into its inbox.
    Client(asio::any_io_executor executor, Store& store, Clock& clock, Host* host = nullptr);

    // Errors: conflict/"orchestration_exists" unless the policy says otherwise; invalid/"payload_too_large"; transient.
    template <class O>
    asio::awaitable<Result<StartOutcome>> start(std::string id, typename O::Input input,
                                                OnConflict on_conflict = OnConflict::fail) {
        return start(
            {.id = std::move(id), .name = std::string(O::name), .input = encode(input), .on_conflict = on_conflict});
    }
    asio::awaitable<Result<StartOutcome>> start(StartRequest request);
    // Starts in a transaction of the caller's own, on PostgreSQL: it is there if, and only if, the caller commits;
    // announce() after that. Errors: conflict/"orchestration_exists" and what SQL gives.
    static asio::awaitable<Result<StartOutcome>> start_in(pg::Connection& transaction, StartRequest request);
    asio::awaitable<void> announce(std::string id);

    // Errors: not_found/"orchestration_not_found", conflict/"orchestration_finished", transient. A dedup key makes a
    // repeated call harmless.
    asio::awaitable<Result<void>> signal(std::string id, std::string name, Json payload, std::string dedup_key = {});
    asio::awaitable<Result<void>> cancel(std::string id, std::string reason);
    asio::awaitable<Result<void>> terminate(std::string id, std::string reason);
    // Until it is resumed, its code does not run: what arrives is kept, what is under way goes on. Resuming one that is
    // parked tries it again.
    asio::awaitable<Result<void>> pause(std::string id);
    asio::awaitable<Result<void>> resume(std::string id);
    // Starts it unless it runs, and signals it, in one. Errors: as start() and signal();
    // conflict/"orchestration_finished" when it has ended and the request does not say replace_terminal.
    asio::awaitable<Result<StartOutcome>> signal_with_start(StartRequest request, std::string name, Json payload,
                                                            std::string dedup_key = {});
    // What the orchestration's code answers from its live state, without a trace in its history. Errors: as signal();
    // not_found/"no_such_query"; conflict/"orchestration_stuck"; timeout/"no_answer" after `patience`; what the code
    // raises.
    asio::awaitable<Result<Json>> query(std::string id, std::string name, Json input,
                                        std::chrono::milliseconds patience = answer_patience);
    // The same for what changes that state, if the code agrees: once it is recorded. A request id makes a repeated call
    // harmless; within an hour it is answered as it was. Errors: as query(), with "no_such_update";
    // conflict/"orchestration_paused"; conflict/"update_repeated" when that answer is gone. After "no_answer", it may
    // still happen.
    asio::awaitable<Result<Json>> update(std::string id, std::string name, Json input, std::string request = {},
                                         std::chrono::milliseconds patience = answer_patience);
    static constexpr std::chrono::milliseconds answer_patience{10'000};
    // Begins an ended one again, as a new execution: see plan_reset(). Errors: not_found/"orchestration_not_found";
    // conflict/"orchestration_running"; conflict/"history_pruned"; invalid/"no_such_event"; as Store::reset().
    asio::awaitable<Result<void>> reset(std::string id, std::int64_t event);
    // The same, from the last step that failed: it is done again, and the failure forgotten. A child that failed is
    // retried from its own. Error: conflict/"nothing_failed".
    asio::awaitable<Result<void>> retry(std::string id);

    // As Store::prune(), until there is nothing left to do.
    asio::awaitable<Result<Pruned>> prune(std::vector<Retention> rules);

    // Error: not_found/"orchestration_not_found".
    asio::awaitable<Result<OrchestrationRow>> get(std::string id);
    asio::awaitable<Result<std::vector<OrchestrationRow>>> list(OrchestrationFilter filter);
    asio::awaitable<Result<std::vector<StatusCount>>> count(OrchestrationFilter filter);
    // `execution` 0: the current one.
    asio::awaitable<Result<std::vector<RecordedEvent>>> history(std::string id, std::int64_t execution = 0);
    // The row once it has ended; of one that ends in this process, as Host::on_finished tells. Errors:
    // timeout/"still_running", not_found.
    asio::awaitable<Result<OrchestrationRow>> wait(std::string id, std::chrono::milliseconds timeout);

    // For the host, see Host::on_finished and on_answered.
    void finished(const OrchestrationRow& row, bool latest);
    void answered(const std::string& name) { wake(name); }

  private:
    void wake(const std::string& name);
    asio::awaitable<Result<void>> send(Message message);
    asio::awaitable<Result<Json>> ask(Message question, std::string request, std::chrono::milliseconds patience);
    asio::awaitable<Result<std::vector<Event>>> events(const OrchestrationRow& row, std::int64_t execution);
    struct Ended {
        OrchestrationRow row;
        std::vector<Event> history;
    };
    asio::awaitable<Result<Ended>> ended(std::string id);
    asio::awaitable<Result<Reset>> plan_retry(std::string id);
    asio::awaitable<Result<void>> reset(Reset plan);

    asio::any_io_executor executor_;
    Store& store_;
    Clock& clock_;
    Host* host_;
    // Shared with those who wait: they may be given up at any await, and even outlive the client.
    struct Waiter {
        Pause* pause;
        std::optional<OrchestrationRow>* ended;  // where to put it; null: for an answer
    };
    using Waiting = std::multimap<std::string, Waiter>;
    std::shared_ptr<Waiting> waiting_ = std::make_shared<Waiting>();
    class Entry {
      public:
        Entry(const Client& client, std::string what, Waiter waiter)
            : list_(client.waiting_), place_(list_->emplace(std::move(what), waiter)) {}
        Entry(const Entry&) = delete;
        Entry& operator=(const Entry&) = delete;
        ~Entry() { list_->erase(place_); }

      private:
        std::shared_ptr<Waiting> list_;
        Waiting::iterator place_;
    };
};

}  // namespace toygres::runtime
