// The host's side of ownership: leases, claims, hand-over.
#include "base/log.hpp"
#include "runtime/core/planted.hpp"
#include "runtime/host/host.hpp"

namespace toygres::runtime {

using namespace std::chrono_literals;

std::optional<ShardEpoch> Host::epoch_of(int shard) const {
    const auto it = owned_.find(shard);
    return it == owned_.end() ? std::nullopt : std::optional(ShardEpoch{shard, it->second});
}

bool Host::still_owned(const ShardEpoch& shard) const { return epoch_of(shard.shard) == shard; }

asio::awaitable<void> Host::keep_shards() {
    for (bool told = false; !stopping_;) {
        co_await look_at_membership();
        // Who has all shares now keeps one for us from its next look on.
        if (healthy_ && !std::exchange(told, true)) co_await store_.notify({});
        if (!stopping_) co_await membership_wake_.wait(next_look_in_);
    }
}

asio::awaitable<void> Host::look_at_membership() {
    const auto asked_at = clock_.uptime();
    auto membership = co_await store_.renew(worker_, options_.lease);
    if (!membership) {
        if (healthy_)
            log::warning("runtime.database_lost",
                         {{"code", membership.error().code}, {"message", membership.error().message}});
        healthy_ = false;
        next_look_in_ = std::min(options_.renewal, milliseconds(500));
        co_return;
    }
    if (!healthy_) log::info("runtime.database_reached", {{"worker", worker_}});
    healthy_ = true;
    renewed_at_ = asked_at;

    std::vector<ShardView> free;
    std::vector<int> mine;
    std::vector<int> lost;
    auto next_lapse = milliseconds::max();  // of somebody else's lease
    std::set<int> left;  // ours by the database alone: the answer to a claim was lost, or a release failed
    for (const auto& view : membership->shards) {
        const auto held = owned_.find(view.shard);
        if (held != owned_.end()) {
            if (view.owner == worker_ && view.epoch == held->second)
                mine.push_back(view.shard);
            else
                lost.push_back(view.shard);
            continue;
        }
        const bool dead = view.expired() || !view.connected;
        if (view.owner == 0 || view.owner == worker_ || dead)
            free.push_back(view);
        else
            next_lapse = std::min(next_lapse, view.lease_left);
        if (view.owner == worker_) left.insert(view.shard);
    }
    // One that renews in time never comes so close to the end of its lease.
    next_look_in_ = std::clamp(next_lapse, std::min(options_.renewal, milliseconds(100)), options_.renewal);
    for (const auto shard : lost) {
        log::warning("shard.lost", {{"shard", shard}});
        drop_shard(shard);
    }
    const auto workers = std::max<std::size_t>(membership->live_workers.size(), 1);
    const auto fair = (shard_count + workers - 1) / workers;
    if (mine.size() > fair) {
        std::vector<int> surplus(mine.begin() + static_cast<std::ptrdiff_t>(fair), mine.end());
        log::info("shard.rebalanced", {{"released", surplus.size()}, {"workers", workers}});
        co_await release_shards(std::move(surplus));
        co_await store_.notify({});
        co_return;
    }
    if (free.size() > fair - mine.size()) free.resize(fair - mine.size());
    for (const auto& view : free) left.erase(view.shard);
    co_await give_back(std::move(left));
    if (free.empty()) co_return;
    auto claimed = co_await store_.claim(worker_, free, options_.lease);
    if (!claimed) {
        log::warning("shard.claim_failed", {{"code", claimed.error().code}, {"message", claimed.error().message}});
        co_return;
    }
    // Somebody else wanted the same ones: there may be others.
    if (claimed->size() < free.size()) next_look_in_ = 1ms;
    if (claimed->empty()) co_return;
    log::info("shard.claimed", {{"count", claimed->size()}, {"worker", worker_}});
    std::set<std::int64_t> dead;
    for (const auto& [shard, epoch] : *claimed) {
        owned_[shard] = epoch;
        const auto before = std::ranges::find(free, shard, &ShardView::shard)->owner;
        if (before != 0 && before != worker_) dead.insert(before);
    }
    took_over_from(std::move(dead));
    spawn(load_shards(*claimed));
}

// Our renewals keep their leases alive: nobody else would ever take them.
asio::awaitable<void> Host::give_back(std::set<int> shards) {
    if (shards.empty()) co_return;
    if (co_await store_.release(worker_, {shards.begin(), shards.end()})) co_await store_.notify({});
}

// Takes an open orchestration into memory; null when it is there already, or has ended since its row was read.
LivePtr Host::adopt(OrchestrationRow row) {
    const auto ended = ended_.find(row.key);
    if (live_.contains(row.id) || (ended != ended_.end() && row.execution <= ended->second)) return nullptr;
    const auto shard = shard_of(row.id);
    auto live = std::make_shared<Live>(Live{.row = std::move(row), .shard = shard});
    live->recovering = live->row.next_event > 1;
    live_.emplace(live->row.id, live);
    return live;
}

asio::awaitable<void> Host::load_shards(std::vector<ShardEpoch> claimed) {
    std::vector<int> shards;
    for (const auto& [shard, epoch] : claimed) shards.push_back(shard);
    // The inbox after the rows, and before anything is taken up: a step whose completion waits there must not run
    // again.
    std::vector<OrchestrationRow> rows;
    std::vector<Message> messages;
    Pause pause(io_.get_executor(), clock_);
    const auto reading = readings_.begin();
    while (!stopping_) {
        auto loaded = co_await store_.load_open(shards);
        auto inbox = loaded ? co_await store_.load_inbox(shards) : Result<std::vector<Message>>();
        if (loaded && inbox) {
            rows = *std::move(loaded);
            messages = *std::move(inbox);
            break;
        }
        co_await pause.wait(200ms);
    }
    for (auto& row : rows) {
        const auto owner = std::ranges::find(claimed, shard_of(row.id), &ShardEpoch::shard);
        if (stopping_ || owner == claimed.end() || !still_owned(*owner)) continue;
        // A fresh one has its start message in the inbox; the others have open commands to take up.
        const auto live = adopt(std::move(row));
        if (live && (live->recovering || live->row.status == Status::stuck)) schedule(live);
    }
    for (const auto& message : messages) {
        const auto owner = std::ranges::find(claimed, shard_of(message.orchestration), &ShardEpoch::shard);
        if (!stopping_ && owner != claimed.end() && still_owned(*owner) && !taken_.contains(message.id) &&
            live_.contains(message.orchestration))
            take_message(message);
    }
    inbox_due_ = true;
    inbox_wake_.wake();
}

void Host::forget(const LivePtr& live) {
    live->dropped = true;
    if (!planted(Fault::lost_shards_result_accepted)) stop_all(*live);
    for (const auto& arrival : live->arrivals)
        if (arrival.message_id != 0) taken_.erase(arrival.message_id);
    live_.erase(live->row.id);
}

void Host::drop_shard(int shard) {
    owned_.erase(shard);
    draining_.erase(shard);
    if (planted(Fault::state_kept_after_loss)) return;
    std::vector<LivePtr> gone;
    for (const auto& [id, live] : live_)
        if (live->shard == shard) gone.push_back(live);
    for (const auto& live : gone) forget(live);
}

asio::awaitable<void> Host::release_shards(std::vector<int> shards) {
    for (const auto shard : shards) draining_.insert(shard);
    const auto busy = [&] {
        return std::ranges::any_of(live_, [&](const auto& entry) {
            return entry.second->state == LiveState::committing && draining_.contains(entry.second->shard);
        });
    };
    // While the database is away nothing can be handed over; the leases will run out.
    while (busy() && healthy_) co_await drain_wake_.wait(20ms);
    std::vector<int> held;
    for (const auto shard : shards)
        if (owned_.contains(shard)) held.push_back(shard);
    for (const auto shard : held) drop_shard(shard);
    auto released = co_await store_.release(worker_, held);
    if (!released)
        log::warning("shard.release_failed", {{"code", released.error().code}, {"message", released.error().message}});
}

}  // namespace toygres::runtime
