#include "runtime/host/client.hpp"

#include "base/crypto.hpp"
#include "runtime/host/host.hpp"
#include "runtime/host/reset.hpp"
#include "runtime/store/pg_store.hpp"

#include <fmt/format.h>

namespace toygres::runtime {

using namespace std::chrono_literals;

namespace {

Message signal_to(std::string id, std::string name, Json payload, const std::string& dedup_key) {
    return {.orchestration = std::move(id),
            .kind = MessageKind::signal,
            .name = std::move(name),
            .payload = std::move(payload),
            .dedup_key = dedup_key.empty() ? std::string() : std::string(signal_key_prefix) + dedup_key};
}

}  // namespace

Client::Client(asio::any_io_executor executor, Store& store, Clock& clock, Host* host)
    : executor_(std::move(executor)), store_(store), clock_(clock), host_(host) {}

asio::awaitable<Result<StartOutcome>> Client::start(StartRequest request) {
    if (payload_bytes(request.input) > payload_bytes_max) co_return std::unexpected(payload_too_large());
    if (host_ != nullptr) co_return co_await host_->begin(std::move(request));
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
    return send(signal_to(std::move(id), std::move(name), std::move(payload), dedup_key));
}

asio::awaitable<Result<StartOutcome>> Client::signal_with_start(StartRequest request, std::string name, Json payload,
                                                                std::string dedup_key) {
    if (payload_bytes(request.input) > payload_bytes_max || payload_bytes(payload) > payload_bytes_max)
        co_return std::unexpected(payload_too_large());
    const auto id = request.id;
    auto outcome = co_await store_.signal_with_start(std::move(request),
                                                     signal_to(id, std::move(name), std::move(payload), dedup_key));
    if (outcome) co_await announce(id);
    co_return outcome;
}

asio::awaitable<Result<void>> Client::cancel(std::string id, std::string reason) {
    return send({.orchestration = std::move(id), .kind = MessageKind::cancel, .payload = std::move(reason)});
}

asio::awaitable<Result<void>> Client::terminate(std::string id, std::string reason) {
    return send({.orchestration = std::move(id), .kind = MessageKind::terminate, .payload = std::move(reason)});
}

asio::awaitable<Result<void>> Client::pause(std::string id) {
    return send({.orchestration = std::move(id), .kind = MessageKind::pause});
}

asio::awaitable<Result<void>> Client::resume(std::string id) {
    return send({.orchestration = std::move(id), .kind = MessageKind::resume});
}

asio::awaitable<Result<Json>> Client::query(std::string id, std::string name, Json input,
                                            std::chrono::milliseconds patience) {
    return ask({.orchestration = std::move(id),
                .kind = MessageKind::query,
                .name = std::move(name),
                .payload = std::move(input)},
               random_uuid(), patience);
}

asio::awaitable<Result<Json>> Client::update(std::string id, std::string name, Json input, std::string request,
                                             std::chrono::milliseconds patience) {
    if (request.empty()) request = random_uuid();
    return ask({.orchestration = std::move(id),
                .kind = MessageKind::update,
                .name = std::move(name),
                .payload = std::move(input)},
               std::move(request), patience);
}

asio::awaitable<Result<Json>> Client::ask(Message question, std::string request, std::chrono::milliseconds patience) {
    const auto id = question.orchestration;
    question.dedup_key = std::string(request_key_prefix) + request;
    Pause pause(executor_, clock_);
    const Entry entry(*this, request_name(id, request), {&pause, nullptr});
    const auto deadline = clock_.uptime() + patience;
    Result<std::optional<Json>> found;
    const bool update = question.kind == MessageKind::update;
    if (update) found = co_await store_.find_answer(id, request);
    if (found && !*found) {
        auto sent = co_await send(std::move(question));
        // This very update, asked for before, may have been the last that it did.
        const bool ended = !sent && update && sent.error().code == "orchestration_finished";
        if (ended) found = co_await store_.find_answer(id, request);
        if (!sent && !(ended && (!found || *found))) found = std::unexpected(std::move(sent).error());
    }
    // The host of this process wakes us; one elsewhere does not, hence the interval.
    for (auto interval = 4ms; found && !*found; interval = std::min(interval * 2, 250ms)) {
        const auto left = deadline - clock_.uptime();
        if (left <= 0ms) break;
        co_await pause.wait(std::min(left, interval));
        auto looked = co_await store_.find_answer(id, request);
        if (looked || !looked.error().retryable()) found = std::move(looked);
    }
    if (!found) co_return std::unexpected(std::move(found).error());
    if (!*found)
        co_return std::unexpected(Error{
            ErrorKind::timeout, "no_answer",
            fmt::format("{0} has not answered in time; \"toygres orchestrations show {0}\" tells what it does", id)});
    const auto& answer = **found;
    if (const auto error = answer.find("error"); error != answer.end())
        co_return std::unexpected(error_from_json(*error));
    co_return answer.at("output");
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

asio::awaitable<Result<std::vector<StatusCount>>> Client::count(OrchestrationFilter filter) {
    return store_.count(std::move(filter));
}

asio::awaitable<Result<std::vector<Event>>> Client::events(const OrchestrationRow& row, std::int64_t execution) {
    auto turns = co_await store_.load_history(row.key, execution);
    if (!turns) co_return std::unexpected(std::move(turns).error());
    std::vector<Event> out;
    for (const auto& text : *turns) {
        auto events = events_from_text(text, std::ssize(out) + 1);
        if (!events) co_return std::unexpected(std::move(events).error());
        std::ranges::move(*events, std::back_inserter(out));
    }
    co_return out;
}

asio::awaitable<Result<std::vector<RecordedEvent>>> Client::history(std::string id, std::int64_t execution) {
    const auto row = co_await get(std::move(id));
    if (!row) co_return std::unexpected(row.error());
    if (execution == 0) execution = row->execution;
    auto recorded = co_await events(*row, execution);
    if (!recorded) co_return std::unexpected(std::move(recorded).error());
    std::vector<RecordedEvent> out;
    for (auto& e : *recorded)
        out.push_back({.execution = execution,
                       .event = std::ssize(out) + 1,
                       .kind = enum_name(e.kind),
                       .name = e.name.empty() ? std::nullopt : std::optional(e.name),
                       .of = e.of == 0 ? std::nullopt : std::optional(e.of),
                       .target = e.target.empty() ? std::nullopt : std::optional(e.target),
                       .data = std::move(e.payload),
                       .options = std::move(e.options),
                       .at = e.at == Timestamp{} ? std::nullopt : std::optional(e.at)});
    co_return out;
}

asio::awaitable<Result<Client::Ended>> Client::ended(std::string id) {
    auto row = co_await get(std::move(id));
    if (!row) co_return std::unexpected(std::move(row).error());
    if (!is_finished(row->status))
        co_return std::unexpected(
            Error{ErrorKind::conflict, "orchestration_running",
                  fmt::format("{} has not ended; terminate it first, if it is to begin again", row->id)});
    auto history = co_await events(*row, row->execution);
    if (!history) co_return std::unexpected(std::move(history).error());
    if (history->empty())
        co_return std::unexpected(Error{ErrorKind::conflict, "history_pruned",
                                        fmt::format("what {} recorded is not there any more", row->id)});
    co_return Ended{*std::move(row), *std::move(history)};
}

asio::awaitable<Result<void>> Client::reset(Reset plan) {
    const auto id = plan.id;
    auto done = co_await store_.reset(std::move(plan));
    if (done) co_await announce(id);
    co_return done;
}

asio::awaitable<Result<void>> Client::reset(std::string id, std::int64_t event) {
    const auto old = co_await ended(std::move(id));
    if (!old) co_return std::unexpected(old.error());
    auto plan = plan_reset(old->row, old->history, event);
    if (!plan) co_return std::unexpected(std::move(plan).error());
    co_return co_await reset(*std::move(plan));
}

asio::awaitable<Result<Reset>> Client::plan_retry(std::string id) {
    const auto old = co_await ended(std::move(id));
    if (!old) co_return std::unexpected(old.error());
    const auto failure = last_failure(old->history);
    if (!failure) co_return std::unexpected(failure.error());
    auto plan = plan_reset(old->row, old->history, *failure);
    if (!plan) co_return plan;
    const auto& arrival = old->history[static_cast<std::size_t>(*failure) - 1];
    if (arrival.kind != EventKind::child_failed) co_return plan;
    const auto child = co_await get(old->history[static_cast<std::size_t>(arrival.of) - 1].target);
    // Pruned, or not ours: its id was taken when it was to be started.
    if (!child && child.error().kind != ErrorKind::not_found) co_return std::unexpected(child.error());
    if (!child || child->parent != Parent{old->row.id, old->row.execution, arrival.of}) co_return plan;
    // Where nothing failed in the child either, it begins anew.
    auto of_child = co_await plan_retry(child->id);
    if (of_child)
        plan->of_children.push_back(*std::move(of_child));
    else if (of_child.error().code != "nothing_failed" && of_child.error().code != "history_pruned")
        co_return of_child;
    co_return plan;
}

asio::awaitable<Result<void>> Client::retry(std::string id) {
    auto plan = co_await plan_retry(std::move(id));
    if (!plan) co_return std::unexpected(std::move(plan).error());
    co_return co_await reset(*std::move(plan));
}

asio::awaitable<Result<OrchestrationRow>> Client::wait(std::string id, std::chrono::milliseconds timeout) {
    const auto deadline = clock_.now() + timeout;
    Pause pause(executor_, clock_);
    std::optional<OrchestrationRow> told;
    const Entry entry(*this, id, {&pause, &told});
    Result<OrchestrationRow> out;
    bool runs_here = host_ != nullptr && host_->has(id);  // then there is nothing to be looked at yet
    for (auto interval = 50ms;; interval = std::min(interval * 2, 1000ms)) {
        if (!std::exchange(runs_here, false)) {
            out = co_await get(id);
            if ((out && is_finished(out->status)) || (!out && !out.error().retryable())) break;
        }
        if (clock_.now() >= deadline) {
            out = std::unexpected(Error{ErrorKind::timeout, "still_running", fmt::format("{} has not ended yet", id)});
            break;
        }
        // The host of this process wakes us; one elsewhere does not, hence the interval.
        co_await pause.wait(host_ != nullptr ? 1000ms : interval);
        if (told) {
            out = *std::move(told);
            break;
        }
    }
    co_return out;
}

void Client::finished(const OrchestrationRow& row, bool latest) {
    if (!latest) return wake(row.id);
    const auto [first, last] = waiting_->equal_range(row.id);
    for (auto it = first; it != last; ++it) {
        if (it->second.ended != nullptr) *it->second.ended = row;
        it->second.pause->wake();
    }
}

void Client::wake(const std::string& name) {
    const auto [first, last] = waiting_->equal_range(name);
    for (auto it = first; it != last; ++it) it->second.pause->wake();
}

}  // namespace toygres::runtime
