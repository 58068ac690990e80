// A process's store in a simulation: every call crosses a network that the seed governs. The database acts on a request
// that reached it, whether or not the process that sent it still lives.
#pragma once
#include "base/event.hpp"
#include "database.hpp"
#include "runtime/host/clock.hpp"

namespace toygres::sim {

class SimStore : public Store {
  public:
    SimStore(std::string who, asio::any_io_executor executor, Database& database, Clock& clock)
        : who_(std::move(who)),
          executor_(std::move(executor)),
          db_(database),
          clock_(clock),
          inner_(executor_, database.memory) {}

    // The session is gone; a process that lives makes another one.
    void break_session() { inner_.drop_session(); }

    asio::awaitable<Result<std::int64_t>> join(std::string name) override;
    asio::awaitable<Result<Membership>> renew(std::int64_t worker, milliseconds lease) override;
    asio::awaitable<Result<std::vector<ShardEpoch>>> owned(std::int64_t worker) override;
    asio::awaitable<Result<std::vector<ShardEpoch>>> claim(std::int64_t worker, std::vector<ShardView> shards,
                                                           milliseconds lease) override;
    asio::awaitable<Result<void>> release(std::int64_t worker, std::vector<int> shards) override;
    asio::awaitable<void> leave(std::int64_t worker) override;
    asio::awaitable<Result<CommitReceipt>> commit(const Fence& fence, CommitNumber number,
                                                  const std::vector<Turn>& turns) override;
    asio::awaitable<Result<bool>> was_committed(std::int64_t worker, CommitNumber number) override;
    asio::awaitable<Result<std::vector<StartOutcome>>> find_starts(std::vector<StartRequest> starts) override;
    asio::awaitable<Result<StepReceipt>> run_step(const Fence& fence, Message completion, StepBody body) override;
    asio::awaitable<Result<std::vector<OrchestrationRow>>> load_open(std::vector<int> shards) override;
    asio::awaitable<Result<std::vector<OrchestrationRow>>> load(std::vector<std::string> ids) override;
    asio::awaitable<Result<std::vector<std::string>>> load_history(std::int64_t key, std::int64_t execution) override;
    asio::awaitable<Result<std::vector<Message>>> load_inbox(std::vector<int> shards) override;
    asio::awaitable<Result<void>> put_on_trial(std::int64_t worker, std::vector<std::string> orchestrations) override;
    asio::awaitable<Result<std::vector<Suspect>>> suspects(std::vector<std::int64_t> dead) override;
    asio::awaitable<Result<void>> acquit(std::vector<std::string> orchestrations) override;
    asio::awaitable<Result<void>> notify(std::vector<int> shards) override;
    asio::awaitable<Result<std::vector<int>>> next_notice() override;
    asio::awaitable<Result<StartOutcome>> start(StartRequest request) override;
    asio::awaitable<Result<std::optional<Json>>> find_answer(std::string orchestration, std::string request) override;
    asio::awaitable<Result<void>> send(Message message) override;
    asio::awaitable<Result<StartOutcome>> signal_with_start(StartRequest request, Message signal) override;
    asio::awaitable<Result<std::vector<OrchestrationRow>>> list(OrchestrationFilter filter) override;
    asio::awaitable<Result<std::vector<StatusCount>>> count(OrchestrationFilter filter) override;
    asio::awaitable<Result<void>> reset(Reset reset) override;
    asio::awaitable<Result<Pruned>> prune(std::vector<Retention> rules, int most) override;
    void close() override { inner_.close(); }

  private:
    enum class Access { read, write };
    template <class T> using Action = std::function<Result<T>()>;
    template <class T> struct Exchange {
        explicit Exchange(const asio::any_io_executor& executor) : answered(executor) {}
        toygres::Event answered;
        std::optional<Result<T>> answer{};
    };

    // Sends `action` to the database and waits for what comes back.
    template <class T> asio::awaitable<Result<T>> call(std::string what, Access access, Action<T> action);
    template <class T> asio::awaitable<Result<T>> call(std::string what, Access access, Action<T> action, Fate fate);
    template <class T> Result<T> act(const std::string& what, Access access, const Action<T>& action);
    // What the database does with a call of ours.
    template <class T> Result<T> now(asio::awaitable<Result<T>> task) { return at_once(db_.io, std::move(task)); }
    Fate fate_of_step();
    Result<StepReceipt> commit_step(const Fence& fence, const Message& completion, const Json& output);
    Result<StepReceipt> commit_step_in_halves(const Fence& fence, const Message& completion, const Json& output);
    asio::awaitable<Result<StepReceipt>> find_step(Message completion, Error error);

    std::string who_;
    asio::any_io_executor executor_;
    Database& db_;
    Clock& clock_;
    MemoryStore inner_;
};

}  // namespace toygres::sim
