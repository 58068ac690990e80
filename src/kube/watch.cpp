#include "kube/watch.hpp"

#include "base/log.hpp"
#include "kube/watch_event.hpp"

#include <fmt/format.h>

#include <map>

namespace toygres::kube {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// Servers send a bookmark every minute or so: a longer silence is a dead connection.
constexpr milliseconds silence_max{150'000};
constexpr std::chrono::seconds stream_max{290};
constexpr milliseconds backoff_first{50};
constexpr milliseconds backoff_max{5'000};

// State of one watch between its connections.
class Watcher {
  public:
    Watcher(Client& client, ResourceRef collection, Selection selection, Clock::time_point deadline,
            std::function<bool(Change, const Json&)> on_change, std::function<bool()> on_listed,
            std::function<bool(const Error&)> on_lost)
        : client_(client),
          collection_(std::move(collection)),
          selection_(std::move(selection)),
          deadline_(deadline),
          on_change_(std::move(on_change)),
          on_listed_(std::move(on_listed)),
          on_lost_(std::move(on_lost)) {}

    asio::awaitable<Result<void>> run() {
        auto backoff = backoff_first;
        while (!stopped_) {
            if (Clock::now() >= deadline_) co_return std::unexpected(timed_out());
            progress_ = false;
            const bool listing = version_.empty();
            const auto done = listing ? co_await relist() : co_await follow();
            if (stopped_) break;
            if (!done && done.error().code == "kube_expired")
                version_.clear();
            else if (!done && (!done.error().retryable() || (on_lost_ && !on_lost_(done.error()))))
                co_return std::unexpected(done.error());
            else if (!done)
                last_error_ = done.error().message;
            // A list is no progress: where every watch has expired at once, lists would follow each other without end.
            if (progress_ || (done && !listing)) backoff = backoff_first;
            if (done) continue;
            asio::steady_timer timer(client_.executor());
            timer.expires_at(std::min(Clock::now() + backoff, deadline_));
            co_await timer.async_wait(use);
            backoff = std::min(backoff * 2, backoff_max);
        }
        co_return Result<void>();
    }

  private:
    Error timed_out() const {
        return {ErrorKind::timeout, "kube_wait_timed_out",
                fmt::format("watch {}: not within the time{}", collection_.describe(),
                            last_error_.empty() ? "" : "; last trouble: " + last_error_)};
    }

    void tell(Change change, const Json& object) {
        if (!stopped_ && !on_change_(change, object)) stopped_ = true;
    }

    // After a list: what is new or different, and what has gone meanwhile.
    asio::awaitable<Result<void>> relist() {
        auto listing = co_await client_.list(collection_, selection_);
        if (!listing) co_return std::unexpected(listing.error());
        version_ = listing->resource_version;
        std::map<std::string, Json> seen;
        for (auto& item : listing->items) {
            const auto key = text_at(item, "/metadata/namespace") + "/" + text_at(item, "/metadata/name");
            const auto known = known_.find(key);
            if (known == known_.end())
                tell(Change::added, item);
            else if (text_at(known->second, "/metadata/resourceVersion") != text_at(item, "/metadata/resourceVersion"))
                tell(Change::modified, item);
            seen.emplace(key, identity_of(item));
        }
        for (const auto& [key, object] : known_)
            if (!seen.contains(key)) tell(Change::deleted, object);
        known_ = std::move(seen);
        if (!stopped_ && on_listed_ && !on_listed_()) stopped_ = true;
        co_return Result<void>();
    }

    // What must be known of an object to notice its absence or change in a later list.
    Json identity_of(const Json& object) const {
        Json metadata = Json::object();
        if (const auto from = object.find("metadata"); from != object.end())
            for (const char* key : {"name", "namespace", "uid", "resourceVersion"})
                if (from->contains(key)) metadata[key] = (*from)[key];
        return {{"apiVersion", collection_.api_version}, {"kind", collection_.kind}, {"metadata", metadata}};
    }

    asio::awaitable<Result<void>> follow() {
        const auto left = std::chrono::duration_cast<milliseconds>(deadline_ - Clock::now());
        const auto seconds =
            std::clamp(std::chrono::ceil<std::chrono::seconds>(left), std::chrono::seconds(1), stream_max);
        auto query = fmt::format("?watch=true&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={}",
                                 http::percent_encode(version_), seconds.count());
        if (!selection_.labels.empty()) query += "&labelSelector=" + http::percent_encode(selection_.labels);
        if (!selection_.fields.empty()) query += "&fieldSelector=" + http::percent_encode(selection_.fields);
        buffer_.clear();
        stream_error_.reset();
        auto done =
            co_await client_.stream_watch(collection_, std::move(query), std::clamp(left, milliseconds(1), silence_max),
                                          [this](std::string_view piece) { return take(piece); });
        if (stream_error_) co_return std::unexpected(*stream_error_);
        co_return done;
    }

    // Pieces of the stream in, whole lines out; false ends the stream.
    bool take(std::string_view piece) {
        buffer_ += piece;
        std::size_t begin = 0;
        for (auto end = buffer_.find('\n'); end != std::string::npos; end = buffer_.find('\n', begin)) {
            if (!take_line(std::string_view(buffer_).substr(begin, end - begin))) return false;
            begin = end + 1;
        }
        buffer_.erase(0, begin);
        return Clock::now() < deadline_;
    }

    bool take_line(std::string_view line) {
        if (line.empty()) return true;
        const auto event = parse_watch_event(line, collection_.describe());
        if (!event) return fail(event.error());
        const auto& [type, object] = *event;
        progress_ = true;
        version_ = text_at(object, "/metadata/resourceVersion");
        if (type == "BOOKMARK") return true;
        const auto key = text_at(object, "/metadata/namespace") + "/" + text_at(object, "/metadata/name");
        if (type == "DELETED") {
            known_.erase(key);
            tell(Change::deleted, object);
        } else {
            const bool known = known_.contains(key);
            known_[key] = identity_of(object);
            tell(known ? Change::modified : Change::added, object);
        }
        return !stopped_;
    }

    bool fail(Error error) {
        stream_error_ = std::move(error);
        return false;
    }

    Client& client_;
    ResourceRef collection_;
    Selection selection_;
    Clock::time_point deadline_;
    std::function<bool(Change, const Json&)> on_change_;
    std::function<bool()> on_listed_;
    std::function<bool(const Error&)> on_lost_;
    std::map<std::string, Json> known_;
    std::string version_;
    std::string buffer_;
    std::optional<Error> stream_error_;
    std::string last_error_;
    bool stopped_ = false;
    bool progress_ = false;
};

}  // namespace

asio::awaitable<Result<void>> watch(Client& client, ResourceRef collection, Selection selection,
                                    Clock::time_point deadline, std::function<bool(Change, const Json&)> on_change,
                                    std::function<bool()> on_listed, std::function<bool(const Error&)> on_lost) {
    collection.name.clear();
    Watcher watcher(client, std::move(collection), std::move(selection), deadline, std::move(on_change),
                    std::move(on_listed), std::move(on_lost));
    co_return co_await watcher.run();
}

asio::awaitable<Result<Json>> wait_until(Client& client, ResourceRef ref, Predicate predicate, milliseconds timeout) {
    Result<Json> answer = Json();
    bool exists = false;
    std::string last_seen;
    const auto judge = [&](const Json* object) {
        exists = object != nullptr;
        const auto holds = predicate(object);
        if (!holds) answer = std::unexpected(holds.error());
        if (holds && *holds) answer = object == nullptr ? Json() : *object;
        if (object != nullptr) last_seen = pod_trouble(*object).message;
        return !holds || *holds;
    };
    bool listed = false;
    const auto on_change = [&](Change change, const Json& object) {
        // Until the list is complete, absence is not known.
        return !judge(change == Change::deleted ? nullptr : &object);
    };
    const auto on_listed = [&] {
        const bool absent = !exists;
        listed = true;
        return !(absent && judge(nullptr));
    };
    const auto done = co_await watch(client, ref, {.fields = "metadata.name=" + ref.name}, Clock::now() + timeout,
                                     on_change, on_listed);
    if (done) co_return answer;
    if (done.error().code != "kube_wait_timed_out") co_return std::unexpected(done.error());
    auto message = fmt::format("{}: not as awaited within {} ms", ref.describe(), timeout.count());
    if (!last_seen.empty()) message += "; " + last_seen;
    if (!exists && listed) message += "; it does not exist";
    co_return std::unexpected(Error{ErrorKind::timeout, "kube_wait_timed_out", message});
}

asio::awaitable<Result<void>> wait_gone(Client& client, ResourceRef ref, milliseconds timeout, std::string uid) {
    const auto gone = [&uid](const Json* object) -> Result<bool> {
        return object == nullptr || (!uid.empty() && text_at(*object, "/metadata/uid") != uid);
    };
    const auto done = co_await wait_until(client, std::move(ref), gone, timeout);
    if (!done) co_return std::unexpected(done.error());
    co_return Result<void>();
}

}  // namespace toygres::kube
