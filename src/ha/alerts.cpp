// What people should look at.
#include "ha/model.hpp"
#include "ha/sight.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace toygres::ha {
namespace {

const Alert* find(const std::vector<Alert>& alerts, std::string_view kind, const std::string& member) {
    const auto it = std::ranges::find_if(alerts, [&](const Alert& a) { return a.kind == kind && a.member == member; });
    return it == alerts.end() ? nullptr : &*it;
}

// Half of a limit ends what the whole of it has begun: a value that sways about its limit is one alert, not many.
std::int64_t limit(std::int64_t value, const Alert* active) { return active != nullptr ? value / 2 : value; }

std::optional<Alert> lag(const Record& record, const std::string& member, const AgentStatus& primary,
                         const Policy& policy, const Alert* active) {
    const auto* stream = stream_of(primary, member, record.epoch);
    if (stream == nullptr || !stream->flush_lsn || !primary.flush_lsn)
        return active != nullptr ? std::optional(*active) : std::nullopt;
    const auto* standby = standby_of(record, member);
    const auto bytes_max = standby != nullptr && standby->max_lag_bytes
                               ? *standby->max_lag_bytes
                               : policy.lag_alert_bytes.value_or(lag_alert_bytes_default);
    const auto bytes = bytes_between(lsn_of(stream->flush_lsn), lsn_of(primary.flush_lsn));
    const auto ms = stream->replay_lag_ms.value_or(0);
    if (bytes <= limit(bytes_max, active) && ms <= limit(policy.lag_alert_ms.value_or(lag_alert_ms_default), active))
        return std::nullopt;
    if (active != nullptr) return *active;
    return Alert{"lag", member, fmt::format("{} is {} bytes and {} ms behind", member, bytes, ms)};
}

std::optional<Alert> disk(const std::string& member, const AgentStatus& status, const Policy& policy,
                          const Alert* active) {
    if (!status.disk_free_bytes || !status.disk_total_bytes) return std::nullopt;
    // A tenth of the volume, or what a failover over a full disk is refused for.
    const auto least = std::max(*status.disk_total_bytes / 10, policy.disk_reserve_bytes);
    if (*status.disk_free_bytes >= (active != nullptr ? least + least / 4 : least)) return std::nullopt;
    if (active != nullptr) return *active;
    return Alert{"disk_low", member,
                 fmt::format("{} MB of {} MB are free on the volume of {}", *status.disk_free_bytes >> 20,
                             *status.disk_total_bytes >> 20, member)};
}

// Whoever has just begun to look knows nothing yet of what is down.
constexpr std::int64_t unknown_ms = 2 * trouble_alert_ms;

std::optional<Alert> trouble(const std::string& member, const MemberView& view, const Alert* active) {
    if (view.down_ms == 0) return std::nullopt;
    if (!view.trouble) return active != nullptr && view.down_ms < unknown_ms ? std::optional(*active) : std::nullopt;
    if (active == nullptr && view.trouble_ms < trouble_alert_ms) return std::nullopt;
    return Alert{"member_trouble", member,
                 fmt::format("{}: {}: {}", member, view.trouble->reason, view.trouble->message), view.trouble->reason};
}

}  // namespace

std::vector<Alert> alerts_of(const Record& record, const Observation& seen, const Policy& policy,
                             const std::vector<Alert>& active) {
    std::vector<Alert> out;
    const auto add = [&](std::optional<Alert> alert) {
        if (alert) out.push_back(*std::move(alert));
    };
    if (record.mode == Mode::sync && (record.state == State::degraded || record.state == State::degrading))
        out.push_back(
            {"unprotected", "", "no standby confirms commits: the primary alone has them, and a failover is refused"});
    const auto* primary = serving(seen, record.primary, Role::primary);
    for (const auto& member : record.members) {
        const auto* lagging = find(active, "lag", member);
        if (primary == nullptr)
            add(lagging != nullptr ? std::optional(*lagging) : std::nullopt);
        else if (member != record.primary)
            add(lag(record, member, *primary, policy, lagging));
        const auto* view = view_of(seen, member);
        if (view != nullptr) add(trouble(member, *view, find(active, "member_trouble", member)));
        const auto* full = find(active, "disk_low", member);
        if (view == nullptr || !view->status)
            add(full != nullptr ? std::optional(*full) : std::nullopt);
        else
            add(disk(member, *view->status, policy, full));
    }
    return out;
}

}  // namespace toygres::ha
