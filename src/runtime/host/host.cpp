#include "runtime/host/host.hpp"

#include "base/log.hpp"

namespace toygres::runtime {

using namespace std::chrono_literals;

Host::Host(asio::io_context& io, Store& store, Clock& clock, const OrchestrationRegistry& orchestrations,
           const ActivityRegistry& activities, const Services& services, HostOptions options)
    : io_(io),
      store_(store),
      clock_(clock),
      orchestrations_(orchestrations),
      activities_(activities),
      services_(services),
      options_(std::move(options)),
      timers_(clock),
      membership_wake_(io.get_executor(), clock),
      inbox_wake_(io.get_executor(), clock),
      drain_wake_(io.get_executor(), clock),
      trial_wake_(io.get_executor(), clock) {}

Host::~Host() {
    ordinary_activities_.close();
    heavy_activities_.close();
    for (auto& [id, live] : live_) {
        live->dropped = true;
        for (auto& [position, activity] : live->activities) activity->stop();
    }
}

asio::awaitable<void> Host::start() {
    for (int failures = 0; !stopping_; ++failures) {
        auto joined = co_await store_.join(options_.name);
        if (joined) {
            worker_ = *joined;
            break;
        }
        if (failures == 0)
            log::warning("runtime.waiting_for_database",
                         {{"code", joined.error().code}, {"message", joined.error().message}});
        co_await membership_wake_.wait(500ms);
    }
    if (stopping_) co_return;
    log::info("runtime.joined", {{"worker", worker_}, {"name", options_.name}});
    committer_ = std::make_unique<Committer>(io_.get_executor(), store_, clock_, worker_);
    const auto loop = [this](bool& running, asio::awaitable<void> task) {
        running = true;
        asio::co_spawn(io_, std::move(task), [this, &running](std::exception_ptr failure) {
            running = false;
            drain_wake_.wake();
            if (failure) std::rethrow_exception(failure);
        });
    };
    loop(loops_.committer, committer_->run());
    loop(loops_.membership, keep_shards());
    loop(loops_.listener, listen());
    loop(loops_.inbox, poll_inbox());
}

void Host::spawn(asio::awaitable<void> task) {
    ++spawned_;
    asio::co_spawn(io_, std::move(task), [this](std::exception_ptr failure) {
        --spawned_;
        drain_wake_.wake();
        if (failure) std::rethrow_exception(failure);
    });
}

asio::awaitable<void> Host::stop() {
    if (stopping_) co_return;
    stopping_ = true;
    membership_wake_.wake();
    trial_wake_.wake();
    inbox_wake_.wake();
    if (!committer_) co_return;
    std::vector<int> shards;
    for (const auto& [shard, epoch] : owned_) shards.push_back(shard);
    // keep_shards() has the membership session for itself until it sees that we stop.
    while (loops_.membership || loops_.inbox) co_await drain_wake_.wait(50ms);
    co_await release_shards(std::move(shards));
    committer_->stop();
    while (loops_.committer) co_await drain_wake_.wait(50ms);
    // Who looks now must not count this process any more, or it would leave a share for it.
    co_await store_.leave(worker_);
    co_await store_.notify({});
    store_.close();
    while (loops_.listener || spawned_ > 0 || !steps_running_->empty()) co_await drain_wake_.wait(50ms);
    log::info("runtime.left", {{"worker", worker_}});
}

std::size_t Host::stuck_count() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(live_, [](const auto& entry) { return !entry.second->stuck_reason.empty(); }));
}

}  // namespace toygres::runtime
