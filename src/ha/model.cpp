#include "ha/model.hpp"

#include "ha/membership.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace toygres::ha {
namespace {

bool contains(const std::vector<std::string>& names, const std::string& name) {
    return std::ranges::find(names, name) != names.end();
}

std::unexpected<Error> conflict(std::string code, std::string message) {
    return std::unexpected(Error{ErrorKind::conflict, std::move(code), std::move(message)});
}

// The old primary is being stopped, it is still the one of the topology.
bool stopping(const Record& r) { return r.state == State::switching && contains(r.fenced, r.primary); }
// The new one is chosen and becomes it.
bool promoting(const Record& r) {
    return (r.state == State::switching && !stopping(r)) || (r.state == State::failing_over && !r.primary.empty());
}

void fence(Record& r, const std::string& member) {
    if (!contains(r.fenced, member)) r.fenced.push_back(member);
}

Record begin_failover(Record r, const Event& event, Timestamp now) {
    ++r.epoch;
    ++r.revision;
    r.state = State::failing_over;
    if (!r.primary.empty()) r.old_primary = r.primary;
    r.primary.clear();
    fence(r, r.old_primary);
    r.failover = event.failover;
    r.change_began_at = now;
    return r;
}

// The old primary is stopped first; `r.request` says who takes over.
Record begin_switchover(Record r, const Event& event, Timestamp now) {
    r.state = State::switching;
    r.old_primary = r.primary;
    fence(r, r.primary);
    r.failover = event.failover;
    r.change_began_at = now;
    ++r.revision;
    return r;
}

Record disarm(Record r, State state) {
    ++r.revision;
    r.state = state;
    r.armed.clear();
    r.arming_lsn.clear();
    r.failover_safe = false;
    return r;
}

Record promote(Record r, const std::string& member) {
    r = disarm(std::move(r), r.state);
    if (!r.primary.empty()) r.old_primary = r.primary;
    r.primary = member;
    return settle(std::move(r), member);
}

Record end_change(Record r, Timestamp now) {
    ++r.revision;
    if (r.state == State::failing_over) r.last_failover_at = now;
    const auto action = r.request ? r.request->old_primary_action : OldPrimary::convert_to_replica;
    if (action == OldPrimary::convert_to_replica) std::erase(r.fenced, r.old_primary);
    if (action == OldPrimary::terminate) {
        const auto old = r.old_primary;
        r = leave(std::move(r), old, std::nullopt);
    }
    r.state = r.members.size() > 1 ? State::rejoining : State::single;
    r.request.reset();
    r.failover.clear();
    r.change_began_at.reset();
    return r;
}

Record resumed(Record r) {
    if (!r.armed.empty())
        r.state = r.failover_safe ? State::synced : State::arming;
    else
        r.state = r.members.size() > 1 ? State::degraded : State::single;
    return r;
}

// The change of roles is given up, and the primary from before it goes on in the epoch on record. Nobody was promoted
// in that one, so it still has all that was ever acknowledged, and what held for the armed standbys holds as before.
Record go_on(Record r) {
    if (r.primary.empty()) r.primary = r.old_primary;
    if (!r.failover_safe) r.arming_lsn.clear();  // of the epoch before
    std::erase(r.fenced, r.primary);
    r.old_primary.clear();
    r.request.reset();
    r.failover.clear();
    r.change_began_at.reset();
    ++r.revision;
    return resumed(std::move(r));
}

Record configure(Record r, const Settings& wanted) {
    r.automatic_failover = wanted.automatic_failover.value_or(r.automatic_failover);
    r.durability = wanted.durability.value_or(r.durability);
    const bool stops_waiting = wanted.mode == Mode::async && r.mode == Mode::sync && !r.armed.empty();
    r.mode = wanted.mode.value_or(r.mode);
    return stops_waiting ? disarm(std::move(r), State::degrading) : r;
}

Record lose_standby(Record r, const std::string& member) {
    if (r.state == State::catching_up) {
        r.state = State::degraded;
        return r;
    }
    if (r.armed.size() > 1 && contains(r.armed, member)) {  // the others go on, once that is proven
        std::erase(r.armed, member);
        r.arming_lsn.clear();
        r.failover_safe = false;
        r.state = State::arming;
        ++r.revision;
        return r;
    }
    return disarm(std::move(r), State::degrading);
}

}  // namespace

Topology topology_of(const Record& record) {
    Topology out{record.epoch, record.revision, record.primary, {}, record.initialized};
    for (const auto& member : record.members) {
        auto& settings = out.members[member];
        if (member == record.primary && !record.armed.empty())
            settings.synchronous_standby_names = synchronous_names(record.armed, record.epoch);
        if (contains(record.fenced, member)) settings.fenced = true;
        if (const auto clone = record.clones.find(member); clone != record.clones.end()) settings.clone = clone->second;
    }
    return out;
}

Outcome outcome(State state, EventKind event) {
    using enum State;
    using enum EventKind;
    const auto in = [state](std::initializer_list<State> states) {
        return std::ranges::find(states, state) != states.end();
    };
    const auto only = [&](std::initializer_list<State> states) {
        return in(states) ? Outcome::advance : Outcome::ignore;
    };
    const auto or_refuse = [&](std::initializer_list<State> states) {
        return in(states) ? Outcome::advance : Outcome::refuse;
    };
    switch (event) {
        case primary_ready:
            return only({creating});
        case standby_streaming:
            return only({joining, catching_up, arming, synced, degrading, degraded, rejoining});
        case standby_caught_up:
            return only({catching_up, arming, synced});
        case names_took_effect:
        case sync_confirmed:
            return only({arming});
        case standby_lost:
            return only({catching_up, arming, synced});
        case relaxed:
            return only({degrading});
        case primary_down:
            return only({synced, switching});
        case primary_leaving:
            return only({synced});
        case primary_stopped:
        case stop_failed:
            return only({switching});
        case positions_frozen:
        case old_primary_back:
            return only({failing_over});
        case promoted:
            return only({switching, failing_over});
        case switchover_wanted:
            return or_refuse({synced});
        case failover_wanted:
            return or_refuse({joining, catching_up, arming, synced, degrading, degraded, failing_over, rejoining});
        case resync_wanted:
            return or_refuse({joining, catching_up, arming, synced, degrading, degraded, rejoining});
        case hold_wanted:
            return or_refuse({single, joining, catching_up, arming, synced, degrading, degraded, rejoining, held});
        case resume_wanted:
            return or_refuse({held});
        case add_wanted:
            return or_refuse({single, joining, catching_up, arming, synced, degrading, degraded, rejoining});
        case remove_wanted:
            return or_refuse({joining, catching_up, arming, synced, degrading, degraded, rejoining});
        case configure_wanted:
            return or_refuse({single, joining, catching_up, arming, synced, degrading, degraded, rejoining, held});
        case member_released:
            return only({joining, catching_up, synced, degraded, rejoining});
        case member_erased:
            return state == creating ? Outcome::ignore : Outcome::advance;
    }
    return Outcome::refuse;
}

Result<Record> advance(const Record& record, const Event& event, Timestamp now) {
    const auto what = outcome(record.state, event.kind);
    if (what == Outcome::ignore) return record;
    if (what == Outcome::refuse)
        return conflict("not_now", fmt::format("an instance that is {} does not allow {}", enum_name(record.state),
                                               enum_name(event.kind)));
    const auto member_known = [&] { return contains(record.members, event.member) && event.member != record.primary; };
    Record r = record;
    switch (event.kind) {
        case EventKind::primary_ready:
            r.state = r.members.size() > 1 ? State::joining : State::single;
            r.initialized = true;
            ++r.revision;
            return r;
        case EventKind::standby_streaming: {
            if (!member_known()) return conflict("bad_target", event.member + " is not a standby");
            const bool waited_for = record.mode == Mode::async || may_be_armed(record, event.member);
            const bool nobody_streamed =
                r.state == State::joining || r.state == State::degraded || r.state == State::rejoining;
            if (waited_for && nobody_streamed) {
                r.state = State::catching_up;
                if (r.old_primary == event.member) r.old_primary.clear();
            }
            if (!may_be_armed(record, event.member)) r = settle(std::move(r), event.member);
            return r;
        }
        case EventKind::standby_caught_up:
            if (!member_known()) return conflict("bad_target", event.member + " is not a standby");
            if (!may_be_armed(r, event.member) || contains(r.armed, event.member)) return record;
            // While synced: whoever fails over has to hear both from now on, before either may acknowledge alone.
            r.armed.push_back(event.member);
            if (r.state != State::synced) {
                r.state = State::arming;
                r.arming_lsn.clear();
            } else {
                r = settle(std::move(r), event.member);
            }
            ++r.revision;
            return r;
        case EventKind::names_took_effect:
            r.arming_lsn = event.lsn;
            return r;
        case EventKind::sync_confirmed:
            if (r.arming_lsn.empty()) return conflict("not_now", "it is not known from where on commits wait");
            r.state = State::synced;
            r.failover_safe = true;
            for (const auto& member : record.armed) r = settle(std::move(r), member);
            return r;
        case EventKind::standby_lost:
            return lose_standby(std::move(r), event.member);
        case EventKind::relaxed:
            r.state = State::degraded;
            return r;
        case EventKind::primary_down:
            if (promoting(r)) return record;  // the chosen one comes back and goes on: nobody else has what it has
            if (!r.failover_safe) return conflict("not_failover_safe", "a standby may lack acknowledged commits");
            return begin_failover(std::move(r), event, now);
        case EventKind::primary_leaving:
            if (!contains(r.armed, event.member))
                return conflict("bad_target", event.member + " does not hold everything that was acknowledged");
            r.request = Request{
                .kind = "switchover", .target = event.member, .timeout_ms = hand_over_ms, .reason = event.reason};
            return begin_switchover(std::move(r), event, now);
        case EventKind::primary_stopped:
            if (!stopping(r)) return record;
            if (!member_known()) return conflict("bad_target", event.member + " is not a standby");
            r = promote(std::move(r), event.member);
            ++r.epoch;
            if (!r.request || r.request->old_primary_action == OldPrimary::convert_to_replica)
                std::erase(r.fenced, r.old_primary);
            return r;
        case EventKind::stop_failed:
            return stopping(r) ? go_on(std::move(r)) : record;
        case EventKind::positions_frozen: {
            if (!r.primary.empty()) return record;
            const bool consent = r.request && r.request->allow_data_loss;
            if (!consent && !(r.failover_safe && contains(r.armed, event.member)))
                return conflict("not_failover_safe", event.member + " may lack acknowledged commits");
            if (!member_known()) return conflict("bad_target", event.member + " is not a standby");
            return promote(std::move(r), event.member);
        }
        case EventKind::old_primary_back:
            if (!r.primary.empty()) return record;
            if (event.member != r.old_primary || !contains(r.members, event.member))
                return conflict("bad_target", event.member + " is not the old primary");
            return go_on(std::move(r));
        case EventKind::promoted:
            return promoting(r) ? end_change(std::move(r), now) : record;
        case EventKind::switchover_wanted:
            if (!contains(r.armed, event.member))
                return conflict("bad_target", event.member + " does not hold everything that was acknowledged");
            r.request = event.request;
            return begin_switchover(std::move(r), event, now);
        case EventKind::failover_wanted: {
            const bool consent = event.request && event.request->allow_data_loss;
            if (!member_known()) return conflict("bad_target", event.member + " is not a standby");
            if (!consent && (r.state == State::failing_over || !(r.failover_safe && contains(r.armed, event.member))))
                return conflict("not_failover_safe", event.member + " may lack acknowledged commits");
            r.request = event.request;
            if (r.state != State::failing_over) return begin_failover(std::move(r), event, now);
            // It waits for a member that is gone: whoever consents takes who is there.
            if (!r.primary.empty()) return conflict("not_now", r.primary + " is being promoted already");
            return r;
        }
        case EventKind::resync_wanted:
            if (!member_known()) return conflict("bad_target", event.member + " is not a standby");
            ++r.clones[event.member];
            std::erase(r.fenced, event.member);  // one that was stopped and retained comes back this way
            if (!contains(r.armed, event.member)) {
                ++r.revision;
                return r;
            }
            return lose_standby(std::move(r), event.member);
        case EventKind::hold_wanted:
            r.state = State::held;
            return r;
        case EventKind::resume_wanted:
            return resumed(std::move(r));
        case EventKind::add_wanted:
            return join(std::move(r), event);
        case EventKind::remove_wanted:
            if (!member_known()) return conflict("bad_target", event.member + " is not a standby");
            r = leave(std::move(r), event.member,
                      event.request ? std::optional(event.request->operation) : std::nullopt);
            return contains(r.armed, event.member) ? lose_standby(std::move(r), event.member) : r;
        case EventKind::configure_wanted:
            if (r.state == State::held && event.request && event.request->settings && event.request->settings->mode)
                return conflict("not_now", "the mode of an instance that is held is changed after it is resumed");
            return configure(std::move(r), event.request.value_or(Request{}).settings.value_or(Settings{}));
        case EventKind::member_released:
            return release(std::move(r), event.member);
        case EventKind::member_erased:
            return forget(std::move(r), event.member);
    }
    return record;
}

}  // namespace toygres::ha
