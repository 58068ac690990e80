// The runtime's view of its database. Two implementations under one conformance suite: PostgreSQL and memory.
// Every method is cancellable at its awaits only; transient errors mean "try again", never "it did not happen".
#pragma once
#include "base/asio.hpp"
#include "base/json.hpp"
#include "runtime/store/records.hpp"

#include <functional>
#include <string>
#include <vector>

namespace toygres::pg {
class Connection;
}

namespace toygres::runtime {

// Given to a transactional step: the open transaction, in which the runtime records the completion after the step.
class StepTransaction {
  public:
    virtual ~StepTransaction() = default;
    // Null in the in-memory store.
    virtual pg::Connection* sql() = 0;
    // Runs after the commit, never after a rollback. For tests and in-process caches.
    virtual void on_commit(std::function<void()> action) = 0;
};

using StepBody = std::function<asio::awaitable<Json>(StepTransaction&)>;

class Store {
  public:
    virtual ~Store() = default;

    // --- membership and ownership --------------------------------------------------------------------------------
    // Registers this process; its key. Once per Store.
    virtual asio::awaitable<Result<std::int64_t>> join(std::string name) = 0;
    // Renews the leases of all shards that `worker` owns, and reads who owns what. `expired` and `connected` are by the
    // database's own clock and locks.
    virtual asio::awaitable<Result<Membership>> renew(std::int64_t worker, std::chrono::milliseconds lease) = 0;
    // What `worker` owns now; apart from renew() and claim(), may be called while they run.
    virtual asio::awaitable<Result<std::vector<ShardEpoch>>> owned(std::int64_t worker) = 0;
    // Takes those of `shards` that have no owner, or whose owner is as `seen`; raises their epochs. Waits for commits
    // in flight of the owner before, and ends its sessions when they do not end by themselves.
    virtual asio::awaitable<Result<std::vector<ShardEpoch>>> claim(std::int64_t worker, std::vector<ShardView> shards,
                                                                   std::chrono::milliseconds lease) = 0;
    virtual asio::awaitable<Result<void>> release(std::int64_t worker, std::vector<int> shards) = 0;
    virtual asio::awaitable<void> leave(std::int64_t worker) = 0;

    // --- turns ---------------------------------------------------------------------------------------------------
    // All of the turns or none, and never twice under one number. Errors: conflict/"fence_lost";
    // conflict/"commit_repeated": this very commit has happened, its receipt was lost; transient: the outcome may be
    // unknown, ask was_committed(); anything else: a turn that the database refuses.
    virtual asio::awaitable<Result<CommitReceipt>> commit(const Fence& fence, CommitNumber number,
                                                          const std::vector<Turn>& turns) = 0;
    virtual asio::awaitable<Result<bool>> was_committed(std::int64_t worker, CommitNumber number) = 0;
    // What became of the starts of a commit whose receipt was lost, and of open starts at recovery.
    virtual asio::awaitable<Result<std::vector<StartOutcome>>> find_starts(std::vector<StartRequest> starts) = 0;
    // Runs `body` in a transaction, adds `completion` (its output as payload) to the inbox in it, and commits; fenced.
    // The inbox id and output. A domain error of the body rolls back and is returned as it is. When the outcome of the
    // commit is unknown it is found out before this returns.
    virtual asio::awaitable<Result<StepReceipt>> run_step(const Fence& fence, Message completion, StepBody body) = 0;

    // --- loading -------------------------------------------------------------------------------------------------
    virtual asio::awaitable<Result<std::vector<OrchestrationRow>>> load_open(std::vector<int> shards) = 0;
    // Those of `ids` that exist, in any order.
    virtual asio::awaitable<Result<std::vector<OrchestrationRow>>> load(std::vector<std::string> ids) = 0;
    // The turns of one execution in order, as stored text.
    virtual asio::awaitable<Result<std::vector<std::string>>> load_history(std::int64_t key,
                                                                           std::int64_t execution) = 0;
    virtual asio::awaitable<Result<std::vector<Message>>> load_inbox(std::vector<int> shards) = 0;

    // --- trials --------------------------------------------------------------------------------------------------
    // Notes what `worker` is about to run, in place of what it had noted before.
    virtual asio::awaitable<Result<void>> put_on_trial(std::int64_t worker,
                                                       std::vector<std::string> orchestrations) = 0;
    // Counts what these dead owners had on trial, once; all that are suspected now.
    virtual asio::awaitable<Result<std::vector<Suspect>>> suspects(std::vector<std::int64_t> dead) = 0;
    virtual asio::awaitable<Result<void>> acquit(std::vector<std::string> orchestrations) = 0;

    // --- waking --------------------------------------------------------------------------------------------------
    // Tells the owners of these shards to look into their inbox; an empty list: membership changed.
    virtual asio::awaitable<Result<void>> notify(std::vector<int> shards) = 0;
    // The next such notice from anybody.
    virtual asio::awaitable<Result<std::vector<int>>> next_notice() = 0;

    // --- clients -------------------------------------------------------------------------------------------------
    // Errors: conflict/"orchestration_exists" by policy; transient/"orchestration_gone" when what had the id was pruned
    // in the same moment.
    virtual asio::awaitable<Result<StartOutcome>> start(StartRequest request) = 0;
    // Errors: not_found/"orchestration_not_found"; conflict/"orchestration_finished". A repeated dedup key is a
    // success.
    virtual asio::awaitable<Result<void>> send(Message message) = 0;
    // What came of a query or an update, as far as it is known.
    virtual asio::awaitable<Result<std::optional<Json>>> find_answer(std::string orchestration,
                                                                     std::string request) = 0;
    // Starts it unless it runs already, and sends it that signal, in one. An ended one is an error,
    // conflict/"orchestration_finished", unless the policy of the start is replace_terminal.
    virtual asio::awaitable<Result<StartOutcome>> signal_with_start(StartRequest request, Message signal) = 0;
    virtual asio::awaitable<Result<std::vector<OrchestrationRow>>> list(OrchestrationFilter filter) = 0;
    // Of all that the filter lets through, whatever its cursor and limit; by name and status.
    virtual asio::awaitable<Result<std::vector<StatusCount>>> count(OrchestrationFilter filter) = 0;
    // Children of the commands that are kept: one that has completed answers the new execution, one that ended
    // otherwise begins anew. Errors: conflict/"orchestration_changed" when it is not as the reset has it;
    // conflict/"children_running".
    virtual asio::awaitable<Result<void>> reset(Reset reset) = 0;

    // Deletes what the rules let go: at most `most` orchestrations, and as many turns of former executions. To be
    // called again until there is nothing left to do. Answers go after an hour.
    virtual asio::awaitable<Result<Pruned>> prune(std::vector<Retention> rules, int most) = 0;

    // Makes blocked calls (next_notice) return with an error; the Store is of no use afterwards.
    virtual void close() = 0;
};

}  // namespace toygres::runtime
