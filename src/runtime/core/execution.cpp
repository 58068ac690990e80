#include "runtime/core/execution.hpp"

#include <fmt/format.h>

namespace toygres::runtime {

Execution::Execution(const OrchestrationType& type, Identity identity)
    : type_(type), context_(journal_, std::move(identity)) {}

Execution::~Execution() { journal_.tear_down(); }

bool Execution::deliver(const Event& arrival) {
    if (!task_ && arrival.kind != EventKind::started) return false;
    if (!journal_.accept(arrival)) return false;
    if (!task_) start(arrival);
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

void Execution::start(const Event& started) {
    task_.emplace(type_.run(context_, started.payload));
    run(task_->handle());
}

void Execution::run(std::coroutine_handle<> handle) {
    handle.resume();
    if (task_->done()) finish();
}

void Execution::finish() {
    try {
        auto output = task_->take();
        journal_.emit({.kind = EventKind::completed, .payload = std::move(output)});
    } catch (const ContinueAsNew& next) {
        journal_.emit({.kind = EventKind::continued_as_new, .payload = next.input, .options = journal_.carry_over()});
    } catch (...) {
        journal_.emit({.kind = EventKind::failed, .payload = to_json_value(current_error())});
    }
}

Result<void> Execution::replay(const std::vector<Event>& history) {
    for (std::size_t i = 0; i < history.size();) {
        const auto& arrival = history[i];
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
        if (!deliver(arrival))
            return differs(static_cast<std::int64_t>(i) + 1,
                           fmt::format("{} answers nothing that the code waits for", describe(arrival)));
        journal_.expect_end();
        if (!journal_.first_difference().empty())
            return differs(journal_.difference_position(), journal_.first_difference());
        i = end;
    }
    journal_.go_live();
    return {};
}

}  // namespace toygres::runtime
