#include "agent/decision.hpp"

#include <fmt/format.h>

namespace toygres::agent {
namespace {

bool is_up(Server server) { return server != Server::down; }

// The server must not run: end it, or leave it down.
Decision down(const Situation& s, std::string reason) {
    if (s.server == Server::stopping) return {Action::keep, std::move(reason)};
    return {is_up(s.server) ? Action::stop : Action::wait, std::move(reason)};
}

// The same for a server that may be read-write when it no longer should: it is hurried even while it stops already.
Decision down_now(const Situation& s, std::string reason) {
    return {is_up(s.server) ? Action::stop_now : Action::wait, std::move(reason)};
}

// Not enough is known to change anything.
Decision unchanged(const Situation& s, std::string reason) {
    return {is_up(s.server) ? Action::keep : Action::wait, std::move(reason)};
}

bool outdated(const Situation& s) { return s.topology && s.note && reign_of(*s.topology) < s.note->reign; }

Decision decide_outdated(const Situation& s) {
    const auto now = reign_of(*s.topology);
    const auto& seen = s.note->reign;
    if (now.epoch != seen.epoch)
        return unchanged(s,
                         fmt::format("the topology is of epoch {}, epoch {} was obeyed before", now.epoch, seen.epoch));
    return unchanged(s, fmt::format("the topology is revision {} of epoch {}, revision {} was obeyed before",
                                    now.revision, now.epoch, seen.revision));
}

// Why the topology does not let this member run; empty when it does.
std::string barred(const Situation& s) {
    const auto& topology = *s.topology;
    const auto settings = topology.members.find(s.member);
    if (settings == topology.members.end()) return fmt::format("is not a member in epoch {}", topology.epoch);
    if (settings->second.fenced.value_or(false)) return fmt::format("is fenced in epoch {}", topology.epoch);
    return {};
}

// A primary that runs, but by the topology is none, or is barred in an epoch that it was not configured for.
bool reign_is_over(const Situation& s) {
    if (s.server_role != ha::Role::primary || !s.topology || !s.note || outdated(s)) return false;
    if (s.topology->primary != s.member) return true;
    return s.topology->epoch != s.server_epoch && !barred(s).empty();
}

Decision decide_barred(const Situation& s, std::string reason) {
    if (reign_is_over(s)) return down_now(s, std::move(reason));
    // In its own epoch a primary leaves in good order, and the replicas get its shutdown checkpoint.
    if (s.server_role == ha::Role::primary && s.server == Server::running && !s.promoting && !s.checkpointed)
        return {Action::checkpoint, std::move(reason)};
    return down(s, std::move(reason));
}

Decision keep_or_reload(const Situation& s) {
    return {s.configuration_outdated && s.server != Server::stopping ? Action::reload : Action::keep, {}};
}

Decision decide_running_primary(const Situation& s) {
    const auto reason = fmt::format("becomes the primary of epoch {}", s.topology->epoch);
    if (s.server_role != ha::Role::primary) {
        if (s.server == Server::running) return {Action::promote, reason};
        // It may still receive from the primary before this one.
        return {s.server == Server::starting && s.configuration_outdated ? Action::reload : Action::keep, reason};
    }
    if (s.promoting) return {Action::keep, reason};
    return keep_or_reload(s);
}

Decision decide_primary(const Situation& s) {
    if (is_up(s.server)) return decide_running_primary(s);
    const auto epoch = s.topology->epoch;
    if (s.volume_busy) return {Action::wait, "another server still uses the volume"};
    if (s.data == Data::foreign) return {Action::wait, "the data directory is not one that this server can use"};
    if (s.data == Data::whole && s.note->unfinished == Unfinished::rewind)
        return {Action::wait, "the data was being rewound when the work was broken off: no primary can start on it"};
    if (!s.restart_pause_over) return {Action::pause, "a pause before the next try"};
    if (s.data == Data::absent) {
        if (s.topology->initialized.value_or(epoch > 1) || s.note->held_data)
            return {Action::wait, "the volume is empty, but this instance has had data: it is not initialised anew"};
        return {Action::bootstrap, {}};
    }
    if (s.replica_data || s.note->unfinished == Unfinished::promotion)
        return {Action::start_replica, fmt::format("becomes the primary of epoch {}", epoch)};
    return {Action::start_primary, {}};
}

// Why a replica's data is to be replaced by its primary's; empty when it is not.
std::string clone_reason(const Situation& s) {
    const auto wanted = s.topology->members.at(s.member).clone.value_or(0);
    const auto& source = s.topology->primary;
    if (wanted > s.note->clone) return fmt::format("is cloned afresh from {}, as asked ({})", source, wanted);
    if (is_up(s.server)) return {};
    if (s.data == Data::absent) return fmt::format("is cloned from {}", source);
    if (s.note->unfinished == Unfinished::rewind)
        return fmt::format("is cloned from {}: a rewind was broken off", source);
    if (s.data == Data::foreign) return {};
    if (s.following == Following::lost && !s.keeps_lost_data)
        return fmt::format("is cloned from {}: its own data cannot be followed on", source);
    return {};
}

bool keeps_lost_data(const Situation& s) { return s.following == Following::lost && s.keeps_lost_data; }

std::string lost_reason(const Situation& s) {
    return fmt::format(
        "its data cannot be followed on by what {} sends, and is kept as it is: RECLONE=true would have "
        "it replaced by a copy",
        s.topology->primary);
}

Decision decide_running_replica(const Situation& s) {
    const auto& topology = *s.topology;
    if (s.server_role == ha::Role::primary)
        return down_now(s, topology.primary.empty()
                               ? fmt::format("epoch {} has no primary", topology.epoch)
                               : fmt::format("{} is the primary of epoch {}", topology.primary, topology.epoch));
    if (!topology.primary.empty()) {
        if (auto reason = clone_reason(s); !reason.empty()) return down(s, std::move(reason));
        if (s.following != Following::well && !keeps_lost_data(s))
            return down(s, fmt::format("does not get on with what {} sends", topology.primary));
    }
    auto next = keep_or_reload(s);
    if (keeps_lost_data(s)) next.reason = lost_reason(s);
    return next;
}

// Nobody to compare with: whatever is not certain waits.
Decision decide_replica_alone(const Situation& s) {
    const auto epoch = s.topology->epoch;
    const auto wait = [&](std::string_view what) {
        return Decision{Action::wait, fmt::format("epoch {} has no primary {}", epoch, what)};
    };
    if (s.data == Data::absent) return wait("to be cloned from");
    if (s.note->unfinished == Unfinished::rewind) return wait("to be cloned from, and a rewind was broken off");
    if (!s.replica_data) return wait("to compare a former primary's data with");
    if (!s.restart_pause_over) return {Action::pause, "a pause before the next try"};
    return {Action::start_replica, {}};
}

Decision decide_replica(const Situation& s) {
    if (is_up(s.server)) return decide_running_replica(s);
    if (s.volume_busy) return {Action::wait, "another server still uses the volume"};
    auto cloning = s.topology->primary.empty() ? std::string() : clone_reason(s);
    if (s.data == Data::foreign && cloning.empty())
        return {Action::wait, "the data directory is not one that this server can use"};
    if (s.topology->primary.empty()) return decide_replica_alone(s);
    Decision next{Action::start_replica, {}};
    if (!cloning.empty())
        next = {Action::clone, std::move(cloning)};
    else if (keeps_lost_data(s) && !s.replica_data)
        return {Action::wait, lost_reason(s)};
    else if (keeps_lost_data(s))
        next.reason = lost_reason(s);
    else if (!s.replica_data)
        next = {Action::rewind, fmt::format("a former primary's data is compared with {}'s", s.topology->primary)};
    else if (s.following == Following::diverged)
        next = {Action::rewind, fmt::format("the data is compared with {}'s", s.topology->primary)};
    if (s.restart_pause_over) return next;
    return {Action::pause, next.reason.empty() ? "a pause before the next try" : next.reason};
}

// A primary that is told to stop serves on while a standby can take over; told by the topology to hand over, it stops
// in good order and stays to be asked how far it got, until it is known to be the primary no longer.
bool hands_over(const Situation& s) {
    if (!s.may_hand_over || !s.topology || !s.note || outdated(s) || s.topology->primary != s.member) return false;
    if (s.topology->epoch != s.server_epoch) return false;
    if (!barred(s).empty()) return s.server == Server::down || s.server_role == ha::Role::primary;
    const auto& names = s.topology->members.at(s.member).synchronous_standby_names;
    return s.server == Server::running && s.server_role == ha::Role::primary && !s.promoting && s.heir &&
           !names.value_or("").empty();
}

Decision decide_stop(const Situation& s) {
    if (s.server == Server::down) return {Action::exit, "asked to stop"};
    return reign_is_over(s) ? down_now(s, "asked to stop") : down(s, "asked to stop");
}

Decision decide_hand_over(const Situation& s) {
    if (auto reason = barred(s); !reason.empty()) return decide_barred(s, "asked to stop, hands over: " + reason);
    auto next = keep_or_reload(s);
    next.reason = "asked to stop: serves on until a standby takes over";
    return next;
}

}  // namespace

Decision decide(const Situation& s) {
    if (s.stop_requested) return hands_over(s) ? decide_hand_over(s) : decide_stop(s);
    if (!s.topology) return unchanged(s, "the topology is not known");
    if (!s.note) return unchanged(s, "the volume's note of what was obeyed before cannot be read");
    if (outdated(s)) return decide_outdated(s);
    if (auto reason = barred(s); !reason.empty()) return decide_barred(s, std::move(reason));
    return s.topology->primary == s.member ? decide_primary(s) : decide_replica(s);
}

}  // namespace toygres::agent
