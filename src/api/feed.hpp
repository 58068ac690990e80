// What all who follow an instance's timeline share: one look every half second whether there is anything new, in place
// of one each.
#pragma once
#include "base/event.hpp"
#include "pg/pool.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace toygres::api {

class Feed {
  public:
    // The one of that instance. It looks for as long as somebody holds it.
    static std::shared_ptr<Feed> of(const asio::any_io_executor& executor, std::shared_ptr<pg::Pool> pool,
                                    const std::string& instance);
    explicit Feed(const asio::any_io_executor& executor) : changed_(executor) {}

    // Another one with whatever is new. The first look counts as such: who has read before it reads once more.
    std::int64_t version() const { return version_; }
    // Until it is another one.
    asio::awaitable<void> changed() { return changed_.wait(); }

  private:
    static asio::awaitable<void> look(std::weak_ptr<Feed> feed, std::shared_ptr<pg::Pool> pool, std::string instance);

    Event changed_;
    std::int64_t version_ = 0;
};

// An entry becomes visible with its transaction, dated earlier: who looks for new ones looks so far back.
inline constexpr std::chrono::seconds timeline_look_back{10};
inline constexpr int timeline_batch_max = 1000;
inline constexpr std::chrono::milliseconds timeline_poll_interval{500};

}  // namespace toygres::api
