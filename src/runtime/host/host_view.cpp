// What the host holds at this moment, for people who look for what keeps something waiting.
#include "runtime/host/host.hpp"

namespace toygres::runtime {
namespace {

std::string what_of(EventKind command) {
    switch (command) {
        case EventKind::activity_scheduled:
            return "activity";
        case EventKind::step_scheduled:
            return "step";
        case EventKind::timer_created:
            return "timer";
        case EventKind::wait_started:
            return "signal";
        case EventKind::child_scheduled:
            return "child";
        default:
            return "start";
    }
}

Json wait_of(std::int64_t position, const OpenCommand& open) {
    const auto& command = open.command;
    Json out = {{"event", position}, {"what", what_of(command.kind)}};
    if (!command.name.empty()) out["name"] = command.name;
    if (!command.target.empty()) out["target"] = command.target;
    if (open.opened_at != Timestamp{}) out["since"] = format_rfc3339(open.opened_at);
    if (command.kind == EventKind::timer_created) out["due"] = format_rfc3339(command.at);
    return out;
}

// Of one that is not in memory its history knows the names.
Json waits_of(const Live& live) {
    Json out = Json::array();
    if (live.execution) {
        for (const auto& [position, open] : live.execution->open())
            if (!open.result) out.push_back(wait_of(position, open));
        return out;
    }
    const auto add = [&](const auto& positions, const char* what) {
        for (const auto& [position, value] : positions) out.push_back({{"event", position}, {"what", what}});
    };
    add(live.activities, "activity");
    add(live.steps, "step");
    add(live.timers, "timer");
    add(live.children, "child");
    return out;
}

const char* state_of(LiveState state) {
    switch (state) {
        case LiveState::idle:
            return "idle";
        case LiveState::scheduled:
            return "scheduled";
        case LiveState::loading:
            return "loading";
        case LiveState::committing:
            return "committing";
    }
    return "";
}

Json view_of(const Live& live) {
    Json out = {{"id", live.row.id},
                {"name", live.row.name},
                {"execution", live.row.execution},
                {"status", enum_name(live.row.status)},
                {"state", state_of(live.state)},
                {"shard", live.shard},
                {"cached", live.execution != nullptr},
                {"recovering", live.recovering},
                {"events", live.row.next_event - 1},
                {"arrivals", live.arrivals.size()},
                {"waits_for", waits_of(live)}};
    if (live.row.version) out["version"] = *live.row.version;
    if (!live.stuck_reason.empty()) out["stuck_reason"] = live.stuck_reason;
    return out;
}

}  // namespace

Json Host::view(const std::string& id_prefix, std::size_t most) const {
    std::map<std::string, const Live*> found;
    std::size_t cached = 0;
    for (const auto& [id, live] : live_) {
        if (live->execution) ++cached;
        if (!id.starts_with(id_prefix)) continue;
        found.emplace(id, live.get());
        if (found.size() > most) found.erase(std::prev(found.end()));
    }
    Json orchestrations = Json::array();
    for (const auto& [id, live] : found) orchestrations.push_back(view_of(*live));
    Json shards = Json::array();
    for (const auto& [shard, epoch] : owned_) shards.push_back({{"shard", shard}, {"epoch", epoch}});
    return {{"worker", worker_},
            {"healthy", healthy()},
            {"stopping", stopping_},
            {"shards", std::move(shards)},
            {"live", live_.size()},
            {"cached", cached},
            {"parked", stuck_count()},
            {"on_trial", on_trial_.size()},
            {"queues",
             {{"activities_running", ordinary_activities_.running()},
              {"activities_waiting", ordinary_activities_.waiting()},
              {"activities_max", ordinary_activities_.max()},
              {"heavy_activities_running", heavy_activities_.running()},
              {"heavy_activities_waiting", heavy_activities_.waiting()},
              {"heavy_activities_max", heavy_activities_.max()},
              {"steps_running", steps_running_->size()},
              {"inbox_taken", taken_.size()}}},
            {"orchestrations", std::move(orchestrations)}};
}

}  // namespace toygres::runtime
