#include "ha/sight.hpp"

#include <algorithm>

namespace toygres::ha {

const MemberView* view_of(const Observation& seen, const std::string& member) {
    const auto it = seen.find(member);
    return it == seen.end() ? nullptr : &it->second;
}

bool obeys(const AgentStatus& status, const Record& record) {
    return Reign{status.epoch, status.revision} >= Reign{record.epoch, record.revision};
}

// The status of a member that serves in that role and says so itself.
const AgentStatus* serving(const Observation& seen, const std::string& member, Role role) {
    const auto* view = view_of(seen, member);
    if (view == nullptr || !view->status) return nullptr;
    const auto& status = *view->status;
    return status.state == AgentState::running && status.ready && status.role == role ? &status : nullptr;
}

const PeerStatus* stream_of(const AgentStatus& primary, const std::string& member, std::int64_t epoch) {
    if (!primary.peers) return nullptr;
    const auto name = stream_name(member, epoch);
    const auto it = std::ranges::find_if(
        *primary.peers, [&](const PeerStatus& p) { return p.application_name == name && p.state == "streaming"; });
    return it == primary.peers->end() ? nullptr : &*it;
}

Lsn lsn_of(const std::optional<std::string>& text) { return text ? parse_lsn(*text).value_or(Lsn{}) : Lsn{}; }

}  // namespace toygres::ha
