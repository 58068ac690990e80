// Records and observations of an instance of two members, "a" the primary and "b" a standby, as they may be.
#pragma once
#include "ha/model.hpp"
#include "support/catch.hpp"

namespace toygres::ha::test {

inline const Timestamp noon{std::chrono::hours(12)};

// A record as it may be in that state: a primary "a" and a standby "b".
inline Record record_in(State state) {
    Record r{.state = state, .epoch = 4, .revision = 9, .primary = "a", .members = {"a", "b"}, .initialized = true};
    if (state == State::arming || state == State::synced || state == State::switching || state == State::failing_over)
        r.armed = {"b"};
    r.failover_safe = state == State::synced || state == State::switching || state == State::failing_over;
    if (state == State::arming) r.arming_lsn = "0/10";
    if (state == State::switching) r.fenced = {"a"};
    if (state == State::failing_over) {
        r.primary = "";
        r.old_primary = "a";
        r.fenced = {"a"};
    }
    return r;
}

inline AgentStatus serving(const std::string& member, Role role, const Record& r) {
    AgentStatus s{};
    s.member = member;
    s.state = AgentState::running;
    s.ready = true;
    s.role = role;
    s.epoch = r.epoch;
    s.revision = r.revision;
    if (role == Role::primary) {
        s.flush_lsn = "0/500";
        s.synchronous_standby_names = synchronous_names(r.armed, r.epoch);
        s.peers.emplace();
    } else {
        s.receive_lsn = "0/500";
    }
    return s;
}

inline PeerStatus stream(const std::string& member, std::int64_t epoch, std::string sync, std::string flushed) {
    return {stream_name(member, epoch), "streaming", std::move(sync), std::move(flushed), std::nullopt, std::nullopt};
}

inline Observation healthy(const Record& r) {
    Observation out;
    out["a"].status = serving("a", Role::primary, r);
    out["a"].status->peers->push_back(stream("b", r.epoch, r.armed.empty() ? "async" : "quorum", "0/500"));
    out["b"].status = serving("b", Role::replica, r);
    return out;
}

inline Record after(Record r, Event event) { return value_or_raise(advance(r, event, noon)); }

}  // namespace toygres::ha::test
