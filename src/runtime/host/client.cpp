#include "runtime/host/client.hpp"

#include "runtime/host/host.hpp"
#include "runtime/store/pg_store.hpp"

#include <fmt/format.h>

namespace toygres::runtime {

using namespace std::chrono_literals;

Client::Client(asio::any_io_executor executor, Store& store, Clock& clock, Host* host)
    : executor_(std::move(executor)), store_(store), clock_(clock), host_(host) {}

asio::awaitable<Result<StartOutcome>> Client::start(StartRequest request) {
    if (payload_bytes(request.input) > payload_bytes_max) co_return std::unexpected(payload_too_large());
    const auto id = request.id;
    auto outcome = co_await store_.start(std::move(request));
    if (outcome && outcome->created) co_await announce(id);
    co_return outcome;
}

asio::awaitable<Result<StartOutcome>> Client::start_in(pg::Connection& transaction, StartRequest request) {
    return PgStore::start_in(transaction, std::move(request));
}

asio::awaitable<void> Client::announce(std::string id) {
    if (host_ != nullptr) {
        host_->nudge(id);
    } else {
        co_await store_.notify({shard_of(id)});  // a lost notice costs a poll interval
    }
}

asio::awaitable<Result<void>> Client::send(Message message) {
    if (payload_bytes(message.payload) > payload_bytes_max) co_return std::unexpected(payload_too_large());
    const auto id = message.orchestration;
    auto sent = co_await store_.send(std::move(message));
    if (sent) co_await announce(id);
    co_return sent;
}

asio::awaitable<Result<void>> Client::signal(std::string id, std::string name, Json payload, std::string dedup_key) {
    return send({.orchestration = std::move(id),
                 .kind = MessageKind::signal,
                 .name = std::move(name),
                 .payload = std::move(payload),
                 .dedup_key = dedup_key.empty() ? std::string() : std::string(signal_key_prefix) + dedup_key});
}

asio::awaitable<Result<void>> Client::cancel(std::string id, std::string reason) {
    return send({.orchestration = std::move(id), .kind = MessageKind::cancel, .payload = std::move(reason)});
}

asio::awaitable<Result<void>> Client::terminate(std::string id, std::string reason) {
    return send({.orchestration = std::move(id), .kind = MessageKind::terminate, .payload = std::move(reason)});
}

asio::awaitable<Result<Pruned>> Client::prune(std::vector<Retention> rules) {
    constexpr int batch = 500;
    Pruned out;
    for (;;) {
        const auto done = co_await store_.prune(rules, batch);
        if (!done) co_return std::unexpected(done.error());
        out.turns += done->turns;
        out.orchestrations += done->orchestrations;
        if (done->turns < batch && done->orchestrations < batch) co_return out;
    }
}

asio::awaitable<Result<OrchestrationRow>> Client::get(std::string id) {
    auto rows = co_await store_.load({id});
    if (!rows) co_return std::unexpected(std::move(rows).error());
    if (rows->empty())
        co_return std::unexpected(
            Error{ErrorKind::not_found, "orchestration_not_found", fmt::format("there is no orchestration {}", id)});
    co_return std::move(rows->front());
}

asio::awaitable<Result<std::vector<OrchestrationRow>>> Client::list(OrchestrationFilter filter) {
    return store_.list(std::move(filter));
}

asio::awaitable<Result<std::vector<RecordedEvent>>> Client::history(std::string id, std::int64_t execution) {
    auto row = co_await get(std::move(id));
    if (!row) co_return std::unexpected(std::move(row).error());
    if (execution == 0) execution = row->execution;
    auto turns = co_await store_.load_history(row->key, execution);
    if (!turns) co_return std::unexpected(std::move(turns).error());
    std::vector<RecordedEvent> out;
    for (const auto& text : *turns) {
        auto events = events_from_text(text, static_cast<std::int64_t>(out.size()) + 1);
        if (!events) co_return std::unexpected(std::move(events).error());
        for (auto& e : *events)
            out.push_back({.execution = execution,
                           .event = static_cast<std::int64_t>(out.size()) + 1,
                           .kind = enum_name(e.kind),
                           .name = e.name.empty() ? std::nullopt : std::optional(e.name),
                           .of = e.of == 0 ? std::nullopt : std::optional(e.of),
                           .target = e.target.empty() ? std::nullopt : std::optional(e.target),
                           .data = std::move(e.payload),
                           .options = std::move(e.options),
                           .at = e.at == Timestamp{} ? std::nullopt : std::optional(e.at)});
    }
    co_return out;
}

asio::awaitable<Result<OrchestrationRow>> Client::wait(std::string id, std::chrono::milliseconds timeout) {
    const auto deadline = clock_.now() + timeout;
    Pause pause(executor_, clock_);
    const auto entry = waiting_.emplace(id, &pause);
    Result<OrchestrationRow> out;
    for (auto interval = 50ms;; interval = std::min(interval * 2, 1000ms)) {
        out = co_await get(id);
        if ((out && is_finished(out->status)) || (!out && !out.error().retryable())) break;
        if (clock_.now() >= deadline) {
            out = std::unexpected(Error{ErrorKind::timeout, "still_running", fmt::format("{} has not ended yet", id)});
            break;
        }
        // The host of this process wakes us; one elsewhere does not, hence the interval.
        co_await pause.wait(host_ != nullptr ? 1000ms : interval);
    }
    waiting_.erase(entry);
    co_return out;
}

void Client::finished(const std::string& id) {
    const auto [first, last] = waiting_.equal_range(id);
    for (auto it = first; it != last; ++it) it->second->wake();
}

}  // namespace toygres::runtime
