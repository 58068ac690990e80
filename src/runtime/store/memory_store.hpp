// The store in memory, with the same meaning as the one on PostgreSQL: for tests and simulation. One MemoryDatabase is
// shared by the MemoryStores of several "processes"; it lives on one thread.
#pragma once
#include "runtime/store/store.hpp"

#include <map>
#include <memory>
#include <set>

namespace toygres::runtime {

// What every store of one database shares. `now` is the database's own clock.
class MemoryDatabase {
  public:
    explicit MemoryDatabase(std::function<Timestamp()> now);

  private:
    friend class MemoryStore;
    struct Shard {
        std::int64_t owner = 0;
        std::int64_t epoch = 0;
        Timestamp lease_until{};
    };

    std::function<Timestamp()> now_;
    std::vector<Shard> shards_;
    std::set<std::int64_t> live_;  // whose session stands
    std::map<std::int64_t, Timestamp> heartbeats_;
    std::map<std::string, OrchestrationRow> rows_;
    std::map<std::int64_t, std::string> ids_;
    std::map<std::string, std::string> requests_;  // under which they were started last, by id
    std::map<std::tuple<std::int64_t, std::int64_t, std::int64_t>, std::string> history_;
    std::map<std::int64_t, Message> inbox_;
    std::map<std::pair<std::int64_t, int>, std::int64_t> commits_;  // worker and lane -> number of the last
    std::set<std::pair<std::string, std::string>> dedup_;
    std::map<std::int64_t, std::vector<std::string>> on_trial_;  // by worker
    struct Suspicion {
        std::int64_t turn;  // next_event
        int deaths;
    };
    std::map<std::string, Suspicion> suspects_;
    struct GivenAnswer {
        Json answer;
        Timestamp at;
    };
    std::map<std::string, GivenAnswer> answers_;  // by request_name()
    std::vector<class MemoryStore*> stores_;
    std::int64_t next_worker_ = 1;
    std::int64_t next_key_ = 1;
    std::int64_t next_message_ = 1;
};

class MemoryStore : public Store {
  public:
    MemoryStore(asio::any_io_executor executor, std::shared_ptr<MemoryDatabase> database);
    ~MemoryStore() override;

    // For tests: until the gate opens, every call fails as if the database were away.
    void set_available(bool available) { available_ = available; }
    // For tests: the session is gone (kill -9, network) without a word to anybody.
    void drop_session();

    asio::awaitable<Result<std::int64_t>> join(std::string name) override;
    asio::awaitable<Result<Membership>> renew(std::int64_t worker, std::chrono::milliseconds lease) override;
    asio::awaitable<Result<std::vector<ShardEpoch>>> owned(std::int64_t worker) override;
    asio::awaitable<Result<std::vector<ShardEpoch>>> claim(std::int64_t worker, std::vector<ShardView> shards,
                                                           std::chrono::milliseconds lease) override;
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
    void close() override;

  private:
    Result<void> check() const;
    Result<void> check_fence(const Fence& fence) const;
    StartOutcome start_now(const StartRequest& request);
    std::int64_t deliver_now(Message message);
    void erase_message(std::int64_t id);
    StartOutcome look_up(const StartRequest& request) const;
    static bool matches(const OrchestrationRow& row, const OrchestrationFilter& filter);
    Result<void> may_reset(const Reset& reset) const;
    std::vector<OrchestrationRow*> children_of(const Reset& reset) const;
    void begin_again(OrchestrationRow& row, std::int64_t next_event);
    void reset_now(const Reset& reset);

    std::shared_ptr<MemoryDatabase> db_;
    asio::steady_timer notice_;
    std::vector<std::vector<int>> notices_;
    std::int64_t worker_ = 0;
    bool available_ = true;
    bool closed_ = false;
};

}  // namespace toygres::runtime
