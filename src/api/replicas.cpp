#include "api/replicas.hpp"

#include <algorithm>

namespace toygres::api {
namespace {

template <class T> Json or_null(const std::optional<T>& value) { return value ? encode(*value) : Json(); }

bool contains(const std::vector<std::string>& names, const std::string& name) {
    return std::ranges::find(names, name) != names.end();
}

// How far behind the primary, by the primary's own word.
void add_lag(Json& out, const ha::Record& record, const std::string& member, const AgentStatuses& statuses) {
    out["streaming"] = false;
    out["lag_bytes"] = nullptr;
    out["lag_ms"] = nullptr;
    const auto primary = statuses.find(record.primary);
    if (primary == statuses.end() || !primary->second.peers) return;
    for (const auto& peer : *primary->second.peers) {
        if (peer.application_name != ha::stream_name(member, record.epoch)) continue;
        out["streaming"] = peer.state == "streaming";
        const auto head = ha::parse_lsn(primary->second.flush_lsn.value_or(""));
        if (const auto at = ha::parse_lsn(peer.flush_lsn.value_or("")); head && at)
            out["lag_bytes"] = ha::bytes_between(*at, *head);
        out["lag_ms"] = peer.replay_lag_ms.value_or(0);
    }
}

Json replica_view(const ha::Record& record, const std::string& member, const AgentStatuses& statuses) {
    const auto* standby = ha::standby_of(record, member);
    const bool primary = member == record.primary;
    const auto mode = standby != nullptr && record.mode == ha::Mode::sync ? standby->mode : record.mode;
    Json out = {{"name", member},
                {"role", primary ? "primary" : "replica"},
                {"mode", enum_name(mode)},
                {"standing", enum_name(standby != nullptr ? standby->standing : ha::Standing::present)},
                {"synchronous", contains(record.armed, member)},
                {"fenced", contains(record.fenced, member)},
                {"zone", standby != nullptr ? or_null(standby->zone) : Json()},
                {"max_lag_bytes", standby != nullptr ? or_null(standby->max_lag_bytes) : Json()}};
    if (!primary) add_lag(out, record, member, statuses);
    const auto status = statuses.find(member);
    const bool answers = status != statuses.end();
    out["state"] = answers ? enum_name(status->second.state) : "unreachable";
    out["reason"] = answers ? or_null(status->second.reason) : Json();
    out["clone"] = answers ? or_null(status->second.clone) : Json();
    return out;
}

}  // namespace

Json replicas_view(const ha::Record& record, const AgentStatuses& statuses) {
    Json out = Json::array();
    for (const auto& member : record.members) out.push_back(replica_view(record, member, statuses));
    for (const auto& member : ha::removed_members(record)) out.push_back(replica_view(record, member, statuses));
    return out;
}

}  // namespace toygres::api
