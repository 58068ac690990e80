#include "api/feed.hpp"

#include "api/database.hpp"
#include "base/crypto.hpp"
#include "cms/events.hpp"

#include <map>

namespace toygres::api {
namespace {

using Feeds = std::map<std::string, std::weak_ptr<Feed>>;

// By instance, whose ids are no one else's.
Feeds& feeds() {
    static Feeds out;
    return out;
}

std::uint64_t digest_of(const std::vector<cms::TimedEntry>& entries) {
    std::string all;
    for (const auto& item : entries) all += encode(item.entry).dump(-1, ' ', false, Json::error_handler_t::replace);
    return digest64(all);
}

}  // namespace

std::shared_ptr<Feed> Feed::of(const asio::any_io_executor& executor, std::shared_ptr<pg::Pool> pool,
                               const std::string& instance) {
    if (auto known = feeds()[instance].lock()) return known;
    std::erase_if(feeds(), [](const auto& entry) { return entry.second.expired(); });
    auto made = std::make_shared<Feed>(executor);
    feeds()[instance] = made;
    asio::co_spawn(executor, look(made, std::move(pool), instance), asio::detached);
    return made;
}

asio::awaitable<void> Feed::look(std::weak_ptr<Feed> feed, std::shared_ptr<pg::Pool> pool, std::string instance) {
    constexpr std::int64_t look_back_us = std::chrono::microseconds(timeline_look_back).count();
    asio::steady_timer timer(co_await asio::this_coro::executor);
    std::int64_t newest_us = 0;
    std::optional<std::uint64_t> known;
    while (!feed.expired()) {
        const auto since_us = std::max<std::int64_t>(0, newest_us - look_back_us);
        const auto found = co_await query(
            pool, [&](pg::Connection& db) { return cms::timeline_since(db, instance, since_us, timeline_batch_max); });
        const auto held = feed.lock();
        if (found && held) {
            if (!found->empty()) newest_us = found->back().at_us;
            const auto digest = digest_of(*found);
            if (std::exchange(known, digest) != digest) {
                ++held->version_;
                held->changed_.notify();
            }
        }
        timer.expires_after(timeline_poll_interval);
        co_await timer.async_wait(use);
    }
}

}  // namespace toygres::api
