// The store on PostgreSQL: schema of migrations/0001_runtime.sql. One session keeps the membership lock, one listens,
// one for each commit and reading of the inbox under way; the rest comes from a pool.
#pragma once
#include "pg/pool.hpp"
#include "runtime/store/gather.hpp"
#include "runtime/store/store.hpp"

#include <memory>

namespace toygres::runtime {

struct PgStoreOptions {
    std::string conninfo;
    std::string schema = "toygres_cms";
    std::string application_name = "toygres";
    std::chrono::milliseconds connect_timeout{5'000};
};

class PgStore : public Store {
  public:
    // `pool` serves reads, steps and clients; its search_path is the schema.
    PgStore(asio::any_io_executor executor, PgStoreOptions options, std::shared_ptr<pg::Pool> pool);
    ~PgStore() override;

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

    // Starts an orchestration in a transaction of the caller's: it exists if, and only if, the caller commits. Call
    // notify() with its shard after that. Errors: conflict/"orchestration_exists" and what SQL gives.
    static asio::awaitable<Result<StartOutcome>> start_in(pg::Connection& transaction, StartRequest request);

  private:
    asio::awaitable<Result<void>> ensure(std::unique_ptr<pg::Connection>& connection, std::string purpose);
    asio::awaitable<Result<void>> ensure_member();
    asio::awaitable<Result<std::unique_ptr<pg::Connection>>> take_session();
    void give_back(std::unique_ptr<pg::Connection> session);
    asio::awaitable<Result<CommitReceipt>> commit_on(pg::Connection& connection, const Fence& fence,
                                                     CommitNumber number, const std::vector<Turn>& turns);

    asio::any_io_executor executor_;
    PgStoreOptions options_;
    std::shared_ptr<pg::Pool> pool_;
    Gather<StartRequest, Result<StartOutcome>> starts_;
    Gather<std::string, Result<std::vector<OrchestrationRow>>> loads_;
    std::unique_ptr<pg::Connection> member_;
    std::vector<std::unique_ptr<pg::Connection>> idle_sessions_;  // that keep to indexes
    std::unique_ptr<pg::Connection> listener_;
    std::int64_t worker_ = 0;
    bool closed_ = false;
};

}  // namespace toygres::runtime
