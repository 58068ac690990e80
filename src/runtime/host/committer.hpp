// Gathers the turns of all shards into few commits: at once when idle, otherwise when a previous commit returns; those
// that nobody waits for stay a little for company. Two are under way at most, so that one is computed by the database
// while the other waits for its disk. Pauses while the database is away; finds out what an interrupted commit did; lets
// no bad turn hold up the others.
#pragma once
#include "runtime/host/clock.hpp"
#include "runtime/store/store.hpp"

#include <deque>
#include <functional>
#include <vector>

namespace toygres::runtime {

struct TurnReceipt {
    std::vector<std::int64_t> message_ids;  // 0: not known, the inbox will tell
    std::vector<StartOutcome> starts;
};

struct CommitJob {
    Turn turn;
    ShardEpoch shard;
    std::chrono::milliseconds patience;  // how long it may wait for others
    // Errors: conflict/"fence_lost", or what the database has against this very turn.
    std::function<void(Result<TurnReceipt>)> done;
};

class Committer {
  public:
    Committer(asio::any_io_executor executor, Store& store, Clock& clock, std::int64_t worker);
    void submit(CommitJob job);
    // Something waits for a turn that was submitted with patience.
    void hurry();
    // Until stop(), and until everything submitted before it is done or failed.
    asio::awaitable<void> run();
    void stop();

  private:
    using Batch = std::vector<CommitJob>;
    // One commit after the other; `number` names the present one, again at every new try.
    asio::awaitable<void> lane(CommitNumber number);
    void wake_one();
    bool due() const;
    Batch take_batch();
    asio::awaitable<void> commit(CommitNumber& number, Batch batch);
    asio::awaitable<bool> resolve(CommitNumber number);
    asio::awaitable<void> settle(Batch& batch);
    asio::awaitable<void> drop_lost(Batch& batch);
    asio::awaitable<void> back_off(int failures);

    asio::any_io_executor executor_;
    Store& store_;
    std::int64_t worker_;
    std::deque<CommitJob> queue_;
    Clock& clock_;
    std::unique_ptr<Alarm> patience_ends_;
    std::chrono::milliseconds commit_at_{0};  // when what is queued goes at the latest, by the clock's uptime
    std::vector<Pause*> idle_;                // lanes without work
    std::vector<Pause*> backing_off_;         // and those that wait to try again
    bool stopping_ = false;
};

}  // namespace toygres::runtime
