#include "cms/events.hpp"

#include "api/feed.hpp"
#include "api/route.hpp"
#include "base/crypto.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <fmt/format.h>

#include <charconv>
#include <map>
#include <ranges>

namespace toygres::api {
namespace {

using namespace std::chrono_literals;
using asio::experimental::awaitable_operators::operator||;

constexpr auto heartbeat_interval = 15s;
constexpr int told_max = 64;

std::int64_t micros(std::chrono::microseconds d) { return d.count(); }

// What tells two entries of one instant apart.
std::string digest_of(const cms::TimedEntry& item) {
    return fmt::format("{:016x}", digest64(encode(item.entry).dump()));
}

// Until there is something new since `seen`, or it is time to look all the same. false: there is nobody to wait for.
asio::awaitable<bool> wait_for_news(Call& call, Feed& feed, std::int64_t seen, std::chrono::milliseconds time) {
    if (feed.version() != seen) co_return true;
    asio::steady_timer timer(call.services().io, time);
    const auto ended = co_await (feed.changed() || timer.async_wait(use) || call.exchange().closed());
    co_return ended.index() != 2;
}

// Which entries were sent, of the last moments. An event's id is a cursor of its own,
// "<microseconds>-<digest>.<digest>…": its time, and what was sent of the moments before it, so that a reader who comes
// back gets what became visible late, and nothing twice. Beyond `told_max` entries in those moments some come again.
class Cursor {
  public:
    explicit Cursor(std::string_view last_event_id) {
        const auto [end, error] =
            std::from_chars(last_event_id.data(), last_event_id.data() + last_event_id.size(), position_us_);
        if (error != std::errc() || position_us_ < 0) position_us_ = 0;
        const auto dash = last_event_id.find('-');
        if (position_us_ == 0 || dash == std::string_view::npos) return;
        for (const auto part : std::views::split(last_event_id.substr(dash + 1), '.'))
            sent_.emplace(std::string(part.begin(), part.end()), position_us_);
    }

    std::int64_t since_us() const { return std::max<std::int64_t>(position_us_ - micros(timeline_look_back), 0); }
    bool is_new(const cms::TimedEntry& item) {
        if (!sent_.emplace(digest_of(item), item.at_us).second) return false;
        position_us_ = std::max(position_us_, item.at_us);
        return true;
    }
    // Of the entry that was new last.
    std::string id(const cms::TimedEntry& item) const {
        const auto own = digest_of(item);
        auto out = fmt::format("{}-{}", position_us_, own);
        int told = 1;
        for (const auto& [digest, at_us] : sent_)
            if (digest != own && at_us >= since_us() && ++told <= told_max) out += "." + digest;
        return out;
    }
    void forget_old() {
        std::erase_if(sent_, [&](const auto& entry) { return entry.second < since_us(); });
    }

  private:
    std::int64_t position_us_ = 0;
    std::map<std::string, std::int64_t> sent_;
};

std::string sse(const cms::TimedEntry& item, const std::string& id) {
    return fmt::format("id: {}\nevent: {}\ndata: {}\n\n", id, item.entry.what,
                       encode(item.entry).dump(-1, ' ', false, Json::error_handler_t::replace));
}

// Until the client leaves, the server stops, or the instance is gone and all is told.
asio::awaitable<void> follow(Call& call, const cms::Instance& instance) {
    co_await call.begin_stream({{"Content-Type", "text/event-stream"}});
    Cursor cursor(call.request().headers.get("Last-Event-ID"));
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
                if (cursor.is_new(item)) text += sse(item, cursor.id(item));
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
    if (stream && call.request().method == "HEAD")
        co_return http::Response{200, {{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-store"}}, {}};
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
