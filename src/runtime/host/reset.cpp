#include "runtime/host/reset.hpp"

#include <fmt/format.h>

#include <map>

namespace toygres::runtime {
namespace {

std::int64_t number_of(std::size_t index) { return static_cast<std::int64_t>(index) + 1; }

// The kept events as turns: an arrival, and what the code did then.
std::vector<HistoryRow> turns_of(const std::vector<Event>& kept, std::int64_t execution) {
    std::vector<HistoryRow> out;
    for (std::size_t first = 0; first < kept.size();) {
        auto end = first + 1;
        while (end < kept.size() && !is_arrival(kept[end].kind)) ++end;
        const std::vector<Event> turn(kept.begin() + static_cast<std::ptrdiff_t>(first),
                                      kept.begin() + static_cast<std::ptrdiff_t>(end));
        out.push_back({execution, number_of(first), events_to_text(turn, 0)});
        first = end;
    }
    return out;
}

// Children that were asked for among these and have not answered.
std::vector<std::int64_t> open_children(const std::vector<Event>& events) {
    std::map<std::int64_t, bool> open;
    for (std::size_t i = 0; i < events.size(); ++i) {
        if (events[i].kind == EventKind::child_scheduled) open[number_of(i)] = true;
        const auto& kind = events[i].kind;
        if (kind == EventKind::child_completed || kind == EventKind::child_failed || kind == EventKind::cancelled)
            open.erase(events[i].of);
    }
    std::vector<std::int64_t> out;
    for (const auto& [position, yes] : open) out.push_back(position);
    return out;
}

}  // namespace

Result<Reset> plan_reset(const OrchestrationRow& row, const std::vector<Event>& history, std::int64_t event) {
    if (event < 1 || event > std::ssize(history))
        return std::unexpected(
            Error{ErrorKind::invalid, "no_such_event",
                  fmt::format("execution {} of {} has the events 1 to {}", row.execution, row.id, history.size())});
    auto cut = static_cast<std::size_t>(event - 1);
    // An operator's termination stands for itself: before it, all is as the code left it.
    const bool undone = row.status == Status::terminated && is_terminal(history[cut].kind);
    while (!undone && cut > 0 && !is_arrival(history[cut].kind)) --cut;
    std::vector<Event> kept(history.begin(), history.begin() + static_cast<std::ptrdiff_t>(cut));

    Reset out{.key = row.key, .id = row.id, .execution = row.execution, .next_event = number_of(cut)};
    if (!kept.empty()) add_origin(kept.front(), row.execution, out.next_event);
    out.rows = turns_of(kept, row.execution + 1);
    out.children = open_children(kept);
    for (const auto& e : kept)
        if (e.kind == EventKind::status_set) out.custom_status = e.payload;
    for (auto i = cut; i < history.size(); ++i)
        if (const auto& e = history[i]; e.kind == EventKind::signal_received)
            out.signals.push_back({.orchestration = row.id,
                                   .kind = MessageKind::signal,
                                   .name = e.name,
                                   .payload = e.payload,
                                   .dedup_key = e.target.empty() ? "" : std::string(signal_key_prefix) + e.target});
        else if (e.kind == EventKind::update_received)
            out.signals.push_back({.orchestration = row.id,
                                   .kind = MessageKind::update,
                                   .name = e.name,
                                   .payload = e.payload,
                                   .dedup_key = std::string(request_key_prefix) + e.target});
    return out;
}

Result<std::int64_t> last_failure(const std::vector<Event>& history) {
    for (auto i = history.size(); i > 0; --i) {
        const auto kind = history[i - 1].kind;
        if (kind == EventKind::activity_failed || kind == EventKind::step_failed || kind == EventKind::child_failed ||
            kind == EventKind::detach_failed)
            return number_of(i - 1);
    }
    return std::unexpected(
        Error{ErrorKind::conflict, "nothing_failed",
              "no activity, step or child failed in it; reset it to the event that is to happen again"});
}

}  // namespace toygres::runtime
