#include "base/event.hpp"
#include "localkube/admission.hpp"
#include "localkube/api_read.hpp"
#include "localkube/api_status.hpp"

#include <fmt/format.h>

#include <charconv>
#include <deque>

namespace toygres::localkube {
namespace {

using namespace asio::experimental::awaitable_operators;
using Clock = std::chrono::steady_clock;

constexpr std::size_t backlog_max = 20'000;
constexpr std::chrono::seconds bookmark_interval{60};
constexpr std::chrono::seconds watch_default{1800};

// What a watch has to send: filled by the store's events, drained by the stream.
struct Feed {
    explicit Feed(const asio::any_io_executor& executor) : changed(executor) {}
    std::deque<WatchEvent> events;
    bool overflowed = false;
    Event changed;
};

asio::awaitable<void> wait_for_events(Feed& feed) {
    if (feed.events.empty() && !feed.overflowed) co_await feed.changed.wait();
}

asio::awaitable<void> wait_until(Clock::time_point when) {
    asio::steady_timer timer(co_await asio::this_coro::executor, when);
    co_await timer.async_wait(asio::use_awaitable);
}

class Watch {
  public:
    explicit Watch(const ApiRequest& request)
        : type_(request.type()), selected_(selection_of(request)), table_(wants_table(request)) {}

    std::string line(const char* kind, const Object& object) const {
        auto shown = presented(object, type_);
        const auto version = object.at("metadata").value("resourceVersion", "");
        const Json body = table_
                              ? make_table(type_, {std::make_shared<const Object>(std::move(shown))}, *table_, version)
                              : std::move(shown);
        return text(kind, body);
    }

    // Empty when the change does not concern this watch.
    std::string line(const WatchEvent& event) const {
        const bool was = event.previous && selected_(*event.previous);
        const bool is = event.type != EventType::deleted && selected_(*event.object);
        if (is) return line(was ? "MODIFIED" : "ADDED", *event.object);
        if (!was) return {};
        // Gone, or gone from the selection: as it was last, at the version of the change.
        auto last = event.type == EventType::deleted ? *event.object : *event.previous;
        last["metadata"]["resourceVersion"] = std::to_string(event.resource_version);
        return line("DELETED", last);
    }

    std::string bookmark(std::uint64_t version, bool initial_end) const {
        Object object = {{"kind", type_.kind},
                         {"apiVersion", type_.group.empty() ? type_.version : type_.group + "/" + type_.version},
                         {"metadata", {{"resourceVersion", std::to_string(version)}}}};
        if (initial_end) object["metadata"]["annotations"] = {{"k8s.io/initial-events-end", "true"}};
        if (!table_) return text("BOOKMARK", object);
        object["metadata"]["creationTimestamp"] = nullptr;
        auto rows = make_table(type_, {}, *table_, std::to_string(version));
        rows["rows"].push_back({{"cells", Json::array()}, {"object", object}});
        return text("BOOKMARK", rows);
    }

    static std::string text(const char* kind, const Json& object) {
        return Json{{"type", kind}, {"object", object}}.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    }

    bool selects(const Object& object) const { return selected_(object); }

  private:
    const ResourceType& type_;
    std::function<bool(const Object&)> selected_;
    std::optional<IncludeObject> table_;
};

std::uint64_t version_of(const std::string& text) {
    std::uint64_t out = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error != std::errc() || end != text.data() + text.size())
        raise_bad_request(fmt::format("Invalid value: \"{}\": resourceVersion: must be an unsigned integer", text));
    return out;
}

std::chrono::seconds timeout_of(const ApiRequest& request) {
    const auto text = request.query("timeoutSeconds");
    const int seconds = std::atoi(text.c_str());
    return seconds > 0 ? std::chrono::seconds(seconds) : watch_default;
}

}  // namespace

asio::awaitable<void> watch_objects(const ApiRequest& request, ApiContext& context, http::Exchange& exchange) {
    const auto executor = co_await asio::this_coro::executor;
    const Watch watch(request);
    const auto since_text = request.query("resourceVersion");
    const auto since = since_text.empty() ? 0 : version_of(since_text);
    const bool initial_list = since == 0 || request.flag("sendInitialEvents");
    const bool bookmarks = request.flag("allowWatchBookmarks");
    const auto end = Clock::now() + timeout_of(request);

    Feed feed(executor);
    std::string out;
    // Subscribing and reading what was there happen in one go: nothing falls between.
    const auto subscription = context.store.subscribe([&feed, &type = request.type()](const WatchEvent& event) {
        if (event.key.resource != type.plural) return;
        feed.overflowed = feed.overflowed || feed.events.size() >= backlog_max;
        if (!feed.overflowed) feed.events.push_back(event);
        feed.changed.notify();
    });
    if (initial_list) {
        for (const auto& object : context.store.list(request.path.plural, request.path.ns))
            if (watch.selects(*object)) out += watch.line("ADDED", *object);
        if (request.flag("sendInitialEvents") && bookmarks)
            out += watch.bookmark(context.store.resource_version(), true);
    } else if (auto missed = context.store.since(since)) {
        for (auto& event : *missed)
            if (event.key.resource == request.type().plural) out += watch.line(event);
    } else {
        const auto status =
            status_of({ErrorKind::conflict,
                       "Expired",
                       fmt::format("too old resource version: {} ({})", since, context.store.resource_version()),
                       {{"code", 410}}});
        co_await exchange.begin_stream(200, {{"Content-Type", "application/json"}});
        co_await exchange.write(Watch::text("ERROR", status));
        co_return;
    }

    co_await exchange.begin_stream(200, {{"Content-Type", "application/json"}, {"Cache-Control", "no-cache, private"}});
    auto next_bookmark = Clock::now() + bookmark_interval;
    while (true) {
        if (!out.empty() && !co_await exchange.write(out)) co_return;
        out.clear();
        if (feed.overflowed || Clock::now() >= end) break;
        const auto wake = bookmarks ? std::min(end, next_bookmark) : end;
        const auto winner = co_await (exchange.closed() || wait_for_events(feed) || wait_until(wake));
        if (winner.index() == 0) co_return;
        for (; !feed.events.empty(); feed.events.pop_front()) out += watch.line(feed.events.front());
        if (bookmarks && Clock::now() >= next_bookmark) {
            out += watch.bookmark(context.store.resource_version(), false);
            next_bookmark = Clock::now() + bookmark_interval;
        }
    }
    if (bookmarks && !feed.overflowed) co_await exchange.write(watch.bookmark(context.store.resource_version(), false));
}

}  // namespace toygres::localkube
