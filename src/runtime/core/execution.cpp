#include "runtime/core/execution.hpp"

#include <fmt/format.h>

namespace toygres::runtime {
namespace {

Error has_ended() { return {ErrorKind::conflict, "orchestration_finished", "it has ended"}; }

}  // namespace

Execution::Execution(const OrchestrationType& type, Identity identity)
    : type_(type), context_(journal_, handlers_, std::move(identity)) {}

Execution::~Execution() { journal_.tear_down(); }

bool Execution::deliver(Event arrival) { return take(arrival); }

bool Execution::take(Event& arrival) {
    if (!task_ && arrival.kind != EventKind::started) return false;
    const bool is_update = arrival.kind == EventKind::update_received;
    if (is_update && !handlers_.has_update(arrival.name)) return false;
    if (!journal_.accept(arrival)) return false;
    if (is_update) answer_ = handlers_.apply(arrival.name, arrival.payload);
    if (!task_) {
        began_at_ = arrival.at;
        start(std::move(arrival.payload));
    }
    for (auto handle = journal_.runnable(); handle; handle = journal_.runnable()) run(handle);
    if (!journal_.terminal() && journal_.next_position() > history_events_max) {
        journal_.emit({.kind = EventKind::failed,
                       .payload = to_json_value(Error{ErrorKind::internal, "history_too_long",
                                                      fmt::format("the execution recorded more than {} events; it must "
                                                                  "continue as new before",
                                                                  history_events_max)})});
    }
    return true;
}

Result<Json> Execution::ask(const std::string& query, const Json& input) {
    if (journal_.terminal()) return std::unexpected(has_ended());
    return handlers_.ask(query, input);
}

Result<Json> Execution::update(const Event& arrival) {
    if (journal_.terminal()) return std::unexpected(has_ended());
    if (journal_.repeated(arrival))
        return std::unexpected(Error{ErrorKind::conflict, "update_repeated",
                                     "an update with this request id was made before, and its answer is not kept"});
    if (auto agreed = handlers_.check(arrival.name, arrival.payload); !agreed)
        return std::unexpected(std::move(agreed).error());
    deliver(arrival);
    return std::move(answer_);
}

void Execution::start(Json input) {
    task_.emplace(type_.run(context_, std::move(input)));
    run(task_->handle());
}

void Execution::run(std::coroutine_handle<> handle) {
    handle.resume();
    if (task_->done()) finish();
}

void Execution::finish() {
    try {
        auto output = task_->take();
        check_payload(output);
        journal_.emit({.kind = EventKind::completed, .payload = std::move(output)});
    } catch (const ContinueAsNew& next) {
        if (payload_bytes(next.input) > payload_bytes_max)
            return void(journal_.emit({.kind = EventKind::failed, .payload = to_json_value(payload_too_large())}));
        journal_.emit({.kind = EventKind::continued_as_new, .payload = next.input, .options = journal_.carry_over()});
    } catch (...) {
        journal_.emit({.kind = EventKind::failed, .payload = to_json_value(current_error())});
    }
}

Result<void> Execution::replay(std::vector<Event> history) {
    for (std::size_t i = 0; i < history.size();) {
        auto& arrival = history[i];
        const auto differs = [&](std::int64_t position, const std::string& words) {
            return std::unexpected(Error{ErrorKind::internal,
                                         "nondeterminism",
                                         fmt::format("event {}: {}", position, words),
                                         {{"position", position}}});
        };
        if (!is_arrival(arrival.kind))
            return differs(static_cast<std::int64_t>(i) + 1,
                           fmt::format("recorded is {}, the code does nothing there", describe(arrival)));
        std::size_t end = i + 1;
        while (end < history.size() && !is_arrival(history[end].kind)) ++end;
        journal_.expect(std::span(history).subspan(i + 1, end - i - 1));
        bool taken = false;
        try {
            taken = take(arrival);
        } catch (...) {  // of the record itself: what the code throws ends the execution
            return std::unexpected(
                Error{ErrorKind::invalid, "bad_history",
                      fmt::format("event {}: {}: {}", i + 1, describe(arrival), current_error().message)});
        }
        if (!taken)
            return differs(static_cast<std::int64_t>(i) + 1,
                           fmt::format("{} answers nothing that the code waits for", describe(arrival)));
        if (!journal_.unreadable().empty())
            return std::unexpected(Error{ErrorKind::invalid, "undecodable_payload", journal_.unreadable()});
        journal_.expect_end();
        if (!journal_.first_difference().empty())
            return differs(journal_.difference_position(), journal_.first_difference());
        i = end;
    }
    journal_.go_live();
    return {};
}

}  // namespace toygres::runtime
