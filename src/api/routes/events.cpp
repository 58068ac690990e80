#include "cms/events.hpp"

#include "api/feed.hpp"
#include "api/route.hpp"
#include "base/crypto.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <fmt/format.h>

#include <charconv>
#include <map>

namespace toygres::api {
namespace {

using namespace std::chrono_literals;
using asio::experimental::awaitable_operators::operator||;

constexpr auto heartbeat_interval = 15s;

std::int64_t micros(std::chrono::microseconds d) { return d.count(); }

// What tells two entries of one instant apart.
std::string digest_of(const cms::TimedEntry& item) {
    return fmt::format("{:016x}", digest64(encode(item.entry).dump()));
}

// The place after which to go on: the time in "<microseconds>-<digest>", an id of ours.
std::int64_t resume_point(const Call& call) {
    const auto id = call.request().headers.get("Last-Event-ID");
    std::int64_t at_us = 0;
    const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), at_us);
    return error == std::errc() && at_us > 0 ? at_us : 0;
}

// Until there is something new since `seen`, or it is time to look all the same. false: there is nobody to wait for.
asio::awaitable<bool> wait_for_news(Call& call, Feed& feed, std::int64_t seen, std::chrono::milliseconds time) {
    if (feed.version() != seen) co_return true;
    asio::steady_timer timer(call.services().io, time);
    const auto ended = co_await (feed.changed() || timer.async_wait(use) || call.exchange().closed());
    co_return ended.index() != 2;
}

// Entries that were not sent yet, among those of the last moments.
class Cursor {
  public:
    explicit Cursor(const Call& call) : position_us_(resume_point(call)), resumed_us_(position_us_) {
        if (const auto id = call.request().headers.get("Last-Event-ID"); resumed_us_ > 0)
            sent_.emplace(id.substr(std::min(id.find('-'), id.size() - 1) + 1), resumed_us_);
    }

    std::int64_t since_us() const { return std::max(position_us_ - micros(timeline_look_back), resumed_us_); }
    bool is_new(const cms::TimedEntry& item) {
        if (!sent_.emplace(digest_of(item), item.at_us).second) return false;
        position_us_ = std::max(position_us_, item.at_us);
        return true;
    }
    void forget_old() {
        std::erase_if(sent_, [&](const auto& entry) { return entry.second < since_us(); });
    }

  private:
    std::int64_t position_us_;
    std::int64_t resumed_us_;  // never before this: the caller has those
    std::map<std::string, std::int64_t> sent_;
};

std::string sse(const cms::TimedEntry& item) {
    return fmt::format("id: {}-{}\nevent: {}\ndata: {}\n\n", item.at_us, digest_of(item), item.entry.what,
                       encode(item.entry).dump(-1, ' ', false, Json::error_handler_t::replace));
}

// Until the client leaves, the server stops, or the instance is gone and all is told.
asio::awaitable<void> follow(Call& call, const cms::Instance& instance) {
    co_await call.begin_stream({{"Content-Type", "text/event-stream"}});
    Cursor cursor(call);
    const auto feed = Feed::of(call.services().io.get_executor(), call.services().pool, instance.id);
    auto last_write = std::chrono::steady_clock::now();
    for (bool deleted = false;;) {
        const auto seen = feed->version();
        const auto batch = co_await query(call.services().pool, [&](pg::Connection& db) {
            return cms::timeline_since(db, instance.id, cursor.since_us(), timeline_batch_max);
        });
        std::string text;
        if (batch) {
            for (const auto& item : *batch)
                if (cursor.is_new(item)) text += sse(item);
            cursor.forget_old();
        } else if (!batch.error().retryable()) {
            throw ErrorException(batch.error());
        }
        if (text.empty() && deleted) {
            co_await call.exchange().write("event: end\ndata: {}\n\n");
            co_return;
        }
        if (text.empty() && std::chrono::steady_clock::now() - last_write >= heartbeat_interval)
            text = ": still here\n\n";
        if (!text.empty()) {
            last_write = std::chrono::steady_clock::now();
            if (!co_await call.exchange().write(text)) co_return;
            continue;
        }
        const auto patience = batch ? std::chrono::milliseconds(heartbeat_interval) : timeline_poll_interval;
        if (!co_await wait_for_news(call, *feed, seen, patience)) co_return;
        const auto now = co_await query(call.services().pool,
                                        [&](pg::Connection& db) { return cms::get_instance(db, instance.id); });
        deleted = now && now->state == "deleted";
    }
}

// The timeline; as a stream of server-sent events with ?follow=true or Accept: text/event-stream.
asio::awaitable<http::Response> get_events(Call& call) {
    call.expect_query({"follow", "limit"});
    const auto limit = call.query_number("limit", 1, 1000).value_or(200);
    const bool stream = call.query_flag("follow") || call.request().headers.get("Accept").contains("text/event-stream");
    const auto instance =
        co_await call.read([&](pg::Connection& db) { return cms::find_instance(db, call.param("name"), true); });
    if (stream) {
        co_await follow(call, instance);
        co_return http::Response{};
    }
    const auto entries =
        co_await call.read([&](pg::Connection& db) { return cms::timeline(db, instance.id, static_cast<int>(limit)); });
    co_return json_response({{"instance", instance.name}, {"events", encode(entries)}});
}

constexpr Route routes[] = {
    {"GET", "/api/v1/instances/{name}/events", Needs::viewer, get_events},
};

}  // namespace

std::span<const Route> event_routes() { return routes; }

}  // namespace toygres::api
