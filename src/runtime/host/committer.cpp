#include "runtime/host/committer.hpp"

#include "base/crash_point.hpp"
#include "base/log.hpp"
#include "metrics/metrics.hpp"
#include "runtime/core/planted.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <set>

namespace toygres::runtime {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t batch_turns_max = 64;
constexpr std::size_t batch_bytes_max = 256 << 10;

auto& commit_seconds() {
    static auto& m = metrics::seconds("toygres_runtime_commit_seconds", "Duration of a commit of turns");
    return m;
}
auto& turns_total() {
    static auto& m = metrics::counter("toygres_runtime_turns_total", "Turns committed");
    return m;
}
auto& commits_total() {
    static auto& m = metrics::counter("toygres_runtime_commits_total", "Commits of one or more turns");
    return m;
}

// Lets tests kill the process around the commit of a turn of an orchestration whose id begins with "<kind>-".
void crash_around(std::string_view phase, const std::vector<CommitJob>& batch) {
    if (!crash_points_armed()) return;
    for (const auto& job : batch)
        if (job.turn.key != 0)
            crash_point(std::string("commit.") + std::string(phase) + "/" +
                        job.turn.id.substr(0, job.turn.id.find('-')));
}

}  // namespace

Committer::Committer(asio::any_io_executor executor, Store& store, Clock& clock, std::int64_t worker)
    : executor_(std::move(executor)), store_(store), worker_(worker), clock_(clock), patience_ends_(clock.alarm()) {}

void Committer::submit(CommitJob job) {
    const auto patience = job.patience;
    const auto commit_at = clock_.uptime() + patience;
    const bool sooner = queue_.empty() || commit_at < commit_at_;
    if (sooner) commit_at_ = commit_at;
    queue_.push_back(std::move(job));
    if (due())
        wake_one();
    else if (sooner)
        patience_ends_->set(clock_.now() + patience, [this] { hurry(); });
}

void Committer::hurry() {
    if (queue_.empty()) return;
    commit_at_ = 0ms;
    wake_one();
}

bool Committer::due() const {
    return !queue_.empty() && (stopping_ || queue_.size() >= batch_turns_max || commit_at_ <= clock_.uptime());
}

void Committer::wake_one() {
    if (idle_.empty()) return;
    idle_.back()->wake();
    idle_.pop_back();
}

void Committer::stop() {
    stopping_ = true;
    while (!idle_.empty()) wake_one();
    for (auto* pause : backing_off_) pause->wake();
}

asio::awaitable<void> Committer::run() {
    using namespace asio::experimental::awaitable_operators;
    co_await (lane({.lane = 0, .number = 1}) && lane({.lane = 1, .number = 1}));
}

asio::awaitable<void> Committer::lane(CommitNumber number) {
    Pause wake(executor_, clock_);
    for (;;) {
        while (due()) co_await commit(number, take_batch());
        if (stopping_) co_return;
        idle_.push_back(&wake);
        co_await wake.wait(1h);
        std::erase(idle_, &wake);
    }
}

Committer::Batch Committer::take_batch() {
    Batch out;
    std::size_t bytes = 0;
    while (!queue_.empty() && out.size() < batch_turns_max && (out.empty() || bytes < batch_bytes_max)) {
        bytes += queue_.front().turn.bytes();
        out.push_back(std::move(queue_.front()));
        queue_.pop_front();
    }
    return out;
}

asio::awaitable<void> Committer::back_off(int failures) {
    Pause delay(executor_, clock_);
    backing_off_.push_back(&delay);
    co_await delay.wait(
        std::min(std::chrono::milliseconds(20 << std::min(failures, 6)), std::chrono::milliseconds(1000)));
    std::erase(backing_off_, &delay);
}

// The number is used up when this returns: a try without an answer may still happen, and must not answer for others.
asio::awaitable<void> Committer::commit(CommitNumber& number, Batch batch) {
    for (int failures = 0; !batch.empty();) {
        Fence fence{.worker = worker_, .shards = {}};
        std::set<ShardEpoch> shards;
        std::vector<Turn> turns;
        turns.reserve(batch.size());
        for (const auto& job : batch) {
            shards.insert(job.shard);
            turns.push_back(job.turn);
        }
        fence.shards.assign(shards.begin(), shards.end());
        const auto began = std::chrono::steady_clock::now();
        crash_around("before", batch);
        auto receipt = co_await store_.commit(fence, number, turns);
        if (receipt) {
            ++number.number;
            crash_around("after", batch);
            commit_seconds().Observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
            commits_total().Increment();
            turns_total().Increment(static_cast<double>(batch.size()));
            for (std::size_t i = 0; i < batch.size(); ++i)
                batch[i].done(TurnReceipt{std::move(receipt->message_ids[i]), std::move(receipt->starts[i])});
            co_return;
        }
        const auto error = receipt.error();
        if (error.code == "fence_lost") {
            co_await drop_lost(batch);
            if (batch.empty()) ++number.number;
            continue;
        }
        if (error.kind == ErrorKind::cancelled) {  // the store was closed under us
            for (auto& job : batch) job.done(std::unexpected(error));
            co_return;
        }
        if (error.retryable() && failures == 0)
            log::warning("commit.interrupted",
                         {{"turns", batch.size()}, {"code", error.code}, {"message", error.message}});
        if (planted(Fault::unknown_commit_repeated) && error.retryable()) ++number.number;
        if (error.code == "commit_repeated" || (error.retryable() && co_await resolve(number))) {
            ++number.number;
            co_await settle(batch);
            co_return;
        }
        if (error.retryable()) {
            if (stopping_) {
                ++number.number;
                for (auto& job : batch) job.done(std::unexpected(error));
                co_return;
            }
            co_await back_off(failures++);
            continue;
        }
        if (batch.size() == 1) {
            log::error("commit.refused",
                       {{"orchestration", batch[0].turn.id}, {"code", error.code}, {"message", error.message}});
            ++number.number;
            batch[0].done(std::unexpected(error));
            co_return;
        }
        const auto middle = batch.begin() + static_cast<std::ptrdiff_t>(batch.size() / 2);
        Batch second(std::make_move_iterator(middle), std::make_move_iterator(batch.end()));
        batch.erase(middle, batch.end());
        co_await commit(number, std::move(batch));
        co_await commit(number, std::move(second));
        co_return;
    }
}

// Did the commit happen that gave no answer? A "no" may still become a "yes" while its session dies: then the next try
// under the same number is refused as repeated.
asio::awaitable<bool> Committer::resolve(CommitNumber number) {
    for (int failures = 0;; ++failures) {
        auto found = co_await store_.was_committed(worker_, number);
        if (found) co_return *found || planted(Fault::unknown_commit_believed);
        if (!found.error().retryable() || stopping_) co_return false;
        co_await back_off(failures);
    }
}

asio::awaitable<void> Committer::settle(Batch& batch) {
    for (auto& job : batch) {
        TurnReceipt receipt{std::vector<std::int64_t>(job.turn.messages.size(), 0), {}};
        for (int failures = 0; !job.turn.starts.empty(); ++failures) {
            auto found = co_await store_.find_starts(job.turn.starts);
            if (found) {
                receipt.starts = *std::move(found);
                for (auto& start : receipt.starts) start.created = start.by_this_command;
                break;
            }
            if (stopping_) break;
            co_await back_off(failures);
        }
        if (receipt.starts.size() != job.turn.starts.size()) continue;  // stopping: recovery will look again
        job.done(std::move(receipt));
    }
}

asio::awaitable<void> Committer::drop_lost(Batch& batch) {
    std::set<ShardEpoch> held;
    for (int failures = 0;; ++failures) {
        auto owned = co_await store_.owned(worker_);
        if (owned) {
            held.insert(owned->begin(), owned->end());
            break;
        }
        if (stopping_ || owned.error().kind == ErrorKind::cancelled) break;
        co_await back_off(failures);
    }
    Batch kept;
    for (auto& job : batch) {
        if (held.contains(job.shard))
            kept.push_back(std::move(job));
        else
            job.done(std::unexpected(Error{ErrorKind::conflict, "fence_lost", "the shard belongs to another epoch"}));
    }
    batch = std::move(kept);
}

}  // namespace toygres::runtime
