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

// Not enough is known to change anything.
Decision unchanged(const Situation& s, std::string reason) {
    return {is_up(s.server) ? Action::keep : Action::wait, std::move(reason)};
}

Decision decide_primary(const Situation& s) {
    const auto epoch = s.topology->epoch;
    if (is_up(s.server)) {
        if (s.server_role != ha::Role::primary) return down(s, fmt::format("becomes the primary of epoch {}", epoch));
        if (s.server == Server::running && s.configuration_outdated) return {Action::reload, {}};
        return {Action::keep, {}};
    }
    if (s.volume_busy) return {Action::wait, "another server still uses the volume"};
    if (s.data == Data::foreign) return {Action::wait, "the data directory is not one that this server can use"};
    if (s.data != Data::absent && s.replica_data)
        return {
            Action::wait,
            fmt::format("holds a replica's data: it is not promoted by being named the primary of epoch {}", epoch)};
    if (!s.restart_pause_over) return {Action::wait, "a pause before the next try"};
    if (s.data == Data::absent) {
        if (s.topology->initialized.value_or(epoch > 1) || s.epoch_seen > 0)
            return {Action::wait, "the volume is empty, but this instance has had data: it is not initialised anew"};
        return {Action::bootstrap, {}};
    }
    return {Action::start_primary, {}};
}

}  // namespace

Decision decide(const Situation& s) {
    if (s.stop_requested) {
        if (s.server == Server::down) return {Action::exit, "asked to stop"};
        return down(s, "asked to stop");
    }
    if (!s.topology) return unchanged(s, "the topology is not known");
    const auto& topology = *s.topology;
    if (topology.epoch < s.epoch_seen)
        return unchanged(
            s, fmt::format("the topology is of epoch {}, epoch {} was obeyed before", topology.epoch, s.epoch_seen));
    const auto settings = topology.members.find(s.member);
    if (settings == topology.members.end()) return down(s, fmt::format("is not a member in epoch {}", topology.epoch));
    if (settings->second.fenced.value_or(false)) return down(s, fmt::format("is fenced in epoch {}", topology.epoch));
    if (topology.primary.empty()) return down(s, fmt::format("epoch {} has no primary", topology.epoch));
    if (topology.primary != s.member)
        return down(s, fmt::format("{} is the primary of epoch {}; this release runs no replicas", topology.primary,
                                   topology.epoch));
    return decide_primary(s);
}

}  // namespace toygres::agent
