// What an observation is evidence of.
#include "ha/model.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace toygres::ha {
namespace {

// A standby that heard from the primary so recently: the primary is not down because we cannot reach it.
constexpr std::int64_t fresh_word_ms = 3'000;

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

std::optional<Event> standby_that_streams(const Record& record, const AgentStatus& primary) {
    for (const auto& member : record.members)
        if (stream_of(primary, member, record.epoch) != nullptr)
            return Event{.kind = EventKind::standby_streaming, .member = member};
    return std::nullopt;
}

// A member that streams, is not waited for yet, and is close enough to be.
std::optional<Event> standby_to_arm(const Record& record, const AgentStatus& primary, const Policy& policy) {
    if (record.mode == Mode::async) return std::nullopt;
    for (const auto& member : record.members) {
        const auto* stream = stream_of(primary, member, record.epoch);
        if (stream == nullptr || std::ranges::find(record.armed, member) != record.armed.end()) continue;
        const auto lag = bytes_between(lsn_of(stream->flush_lsn), lsn_of(primary.flush_lsn));
        if (stream->flush_lsn && lag <= policy.lag_to_arm_bytes)
            return Event{.kind = EventKind::standby_caught_up,
                         .member = member,
                         .reason = fmt::format("{} is {} bytes behind", member, lag)};
    }
    return std::nullopt;
}

std::optional<Event> judge_catching_up(const Record& record, const AgentStatus& primary, const Policy& policy) {
    if (!standby_that_streams(record, primary))
        return Event{.kind = EventKind::standby_lost, .reason = "no standby streams any more"};
    return standby_to_arm(record, primary, policy);
}

std::optional<Event> judge_arming(const Record& record, const MemberView& view, const AgentStatus& primary,
                                  const Policy& policy) {
    if (record.durability == Durability::degrade && view.unreplicated_ms > policy.standby_timeout_ms)
        return Event{.kind = EventKind::standby_lost, .reason = "the standby went before it was confirmed"};
    if (!obeys(primary, record) || primary.synchronous_standby_names != synchronous_names(record.armed, record.epoch))
        return std::nullopt;
    if (record.arming_lsn.empty()) {
        if (!primary.flush_lsn) return std::nullopt;
        return Event{.kind = EventKind::names_took_effect, .lsn = *primary.flush_lsn};
    }
    const auto wanted = parse_lsn(record.arming_lsn).value_or(Lsn{});
    for (const auto& member : record.armed) {
        const auto* stream = stream_of(primary, member, record.epoch);
        // Each of them: whoever fails over may find any one of them missing.
        if (stream == nullptr || (stream->sync_state != "sync" && stream->sync_state != "quorum") ||
            lsn_of(stream->flush_lsn) < wanted)
            return std::nullopt;
    }
    return Event{.kind = EventKind::sync_confirmed, .member = record.armed.front(), .lsn = record.arming_lsn};
}

std::optional<Event> judge_synced(const Record& record, const MemberView& view, const AgentStatus& primary,
                                  const Policy& policy) {
    if (obeys(primary, record) && primary.synchronous_standby_names &&
        *primary.synchronous_standby_names != synchronous_names(record.armed, record.epoch))
        return Event{.kind = EventKind::standby_lost,
                     .reason = fmt::format("synchronous_standby_names is '{}', set by somebody else",
                                           *primary.synchronous_standby_names)};
    if (record.durability == Durability::degrade && view.unreplicated_ms >= policy.standby_timeout_ms)
        return Event{.kind = EventKind::standby_lost,
                     .reason = fmt::format("no standby acknowledged for {} ms", view.unreplicated_ms)};
    return standby_to_arm(record, primary, policy);
}

// The old primary stopped cleanly, and the target holds its very last word.
std::optional<Event> judge_stopping(const Record& record, const Observation& seen, Timestamp now) {
    const auto* old = view_of(seen, record.primary);
    const auto& target = record.request ? record.request->target : record.armed.front();
    const auto* next = serving(seen, target, Role::replica);
    if (old != nullptr && old->status && obeys(*old->status, record) && old->status->role == Role::none &&
        old->status->state == AgentState::waiting && old->status->clean_shutdown) {
        if (!*old->status->clean_shutdown)
            return Event{.kind = EventKind::stop_failed, .reason = "the old primary did not stop cleanly"};
        if (next != nullptr && old->status->flush_lsn && lsn_of(next->receive_lsn) > lsn_of(old->status->flush_lsn))
            return Event{.kind = EventKind::primary_stopped,
                         .member = target,
                         .lsn = *old->status->flush_lsn,
                         .reason = fmt::format("{} has received {}, the shutdown checkpoint is at {}", target,
                                               next->receive_lsn.value_or(""), *old->status->flush_lsn)};
    }
    const auto timeout = record.request ? record.request->timeout_ms : 60'000;
    if (record.change_began_at && now - *record.change_began_at > std::chrono::milliseconds(timeout))
        return Event{.kind = EventKind::stop_failed,
                     .reason = fmt::format("the old primary did not hand over within {} ms", timeout)};
    return std::nullopt;
}

std::optional<Event> judge_failing_over(const Record& record, const Observation& seen) {
    if (const auto best = most_advanced(record, seen))
        return Event{.kind = EventKind::positions_frozen,
                     .member = *best,
                     .lsn = seen.at(*best).status->receive_lsn.value_or(""),
                     .reason = fmt::format("{} holds everything up to {}", *best,
                                           seen.at(*best).status->receive_lsn.value_or("?"))};
    return std::nullopt;
}

bool heard_by_a_standby(const Record& record, const Observation& seen) {
    return std::ranges::any_of(record.members, [&](const std::string& member) {
        const auto* status = serving(seen, member, Role::replica);
        return status != nullptr && status->receiver && status->receiver->status == "streaming" &&
               status->receiver->silent_ms.value_or(fresh_word_ms) < fresh_word_ms;
    });
}

// Down: it ended and did not come back in time; or it, and for the standbys too, said nothing for long.
bool primary_is_down(const Record& record, const Observation& seen, const Policy& policy) {
    const auto* view = view_of(seen, record.primary);
    if (view == nullptr) return false;
    const bool ended = view->gone || (view->status && view->status->state != AgentState::running);
    if (ended) return view->down_ms >= policy.crash_restart_grace_ms;
    if (view->status && view->status->ready) return false;
    return view->down_ms >= policy.silence_ms && !heard_by_a_standby(record, seen);
}

}  // namespace

std::optional<std::string> most_advanced(const Record& record, const Observation& seen) {
    const bool consent = record.request && record.request->allow_data_loss;
    const auto& wanted = record.request ? record.request->target : std::string();
    std::optional<std::string> best;
    Lsn best_lsn;
    for (const auto& member : record.members) {
        if (member == record.old_primary) continue;
        const bool armed = std::ranges::find(record.armed, member) != record.armed.end();
        const auto* view = view_of(seen, member);
        const bool frozen = view != nullptr && view->status && view->status->state == AgentState::running &&
                            view->status->role == Role::replica && obeys(*view->status, record) &&
                            !view->status->receiver && view->status->receive_lsn;
        // One acknowledgement was enough: which of the armed gave it is known when all are heard.
        if (armed && !frozen && !consent) return std::nullopt;
        if (!frozen || (!armed && !consent)) continue;
        const auto lsn = lsn_of(view->status->receive_lsn);
        if (!best || lsn > best_lsn) {
            best = member;
            best_lsn = lsn;
        }
    }
    // A wished target is taken when it lacks nothing of what the best one has.
    if (best && !wanted.empty() && wanted != *best && seen.contains(wanted)) {
        const auto& status = seen.at(wanted).status;
        const bool frozen = status && obeys(*status, record) && !status->receiver && status->role == Role::replica;
        if (frozen && (consent || lsn_of(status->receive_lsn) == best_lsn)) return wanted;
    }
    return best;
}

std::string why_no_failover(const Record& record, const Observation& seen, const Policy& policy, Timestamp now) {
    if (record.mode == Mode::async) return "replication is asynchronous: a failover may lose acknowledged commits";
    if (!record.failover_safe)
        return fmt::format("no standby is proven to hold everything that was acknowledged (the instance is {})",
                           enum_name(record.state));
    if (!record.automatic_failover) return "automatic failover is paused";
    if (record.last_failover_at && now - *record.last_failover_at < std::chrono::milliseconds(policy.cooldown_ms))
        return fmt::format("the last failover was less than {} s ago", policy.cooldown_ms / 1000);
    const auto* view = view_of(seen, record.primary);
    if (view != nullptr && view->status && view->status->disk_free_bytes &&
        *view->status->disk_free_bytes < policy.disk_reserve_bytes)
        return "the primary's volume is full: a standby of the same size would fill as well";
    const bool alive = std::ranges::any_of(
        record.armed, [&](const std::string& member) { return serving(seen, member, Role::replica) != nullptr; });
    if (!alive) return "the standby does not answer either";
    return {};
}

std::optional<std::string> blocked_because(const Record& record, const Observation& seen, const Policy& policy,
                                           Timestamp now) {
    if (record.primary.empty() || record.members.size() < 2 || record.state == State::creating ||
        record.state == State::switching || !primary_is_down(record, seen, policy))
        return std::nullopt;
    if (record.state == State::held) return "held by an operator";
    auto why = why_no_failover(record, seen, policy, now);
    return why.empty() ? std::nullopt : std::optional(std::move(why));
}

std::optional<Event> judge(const Record& record, const Observation& seen, const Policy& policy, Timestamp now) {
    if (record.state == State::held) return std::nullopt;
    if (record.state == State::failing_over && record.primary.empty()) return judge_failing_over(record, seen);
    const bool stopping =
        record.state == State::switching && std::ranges::find(record.fenced, record.primary) != record.fenced.end();
    if (stopping) return judge_stopping(record, seen, now);
    const auto* primary = serving(seen, record.primary, Role::primary);
    if (primary == nullptr) {
        if (record.state == State::synced && primary_is_down(record, seen, policy) &&
            why_no_failover(record, seen, policy, now).empty())
            return Event{.kind = EventKind::primary_down, .member = record.primary, .reason = "the primary is down"};
        return std::nullopt;
    }
    const auto& view = seen.at(record.primary);
    switch (record.state) {
        case State::creating:
            if (!obeys(*primary, record)) return std::nullopt;
            return Event{.kind = EventKind::primary_ready, .member = record.primary};
        case State::joining:
        case State::degraded:
        case State::rejoining:
            return standby_that_streams(record, *primary);
        case State::catching_up:
            return judge_catching_up(record, *primary, policy);
        case State::arming:
            return judge_arming(record, view, *primary, policy);
        case State::synced:
            return judge_synced(record, view, *primary, policy);
        case State::degrading:
            if (!obeys(*primary, record) || !primary->synchronous_standby_names.value_or("?").empty())
                return std::nullopt;
            return Event{.kind = EventKind::relaxed};
        case State::switching:
        case State::failing_over:
            if (!obeys(*primary, record)) return std::nullopt;
            return Event{.kind = EventKind::promoted, .member = record.primary};
        default:
            return std::nullopt;
    }
}

Result<Event> event_for(const Request& request, const Record& record, const Observation& seen) {
    const auto refuse = [](std::string code, std::string message) {
        return std::unexpected(Error{ErrorKind::conflict, std::move(code), std::move(message)});
    };
    const auto known = [&](const std::string& member) {
        return std::ranges::find(record.members, member) != record.members.end();
    };
    if (!request.target.empty() && !known(request.target))
        return refuse("bad_target", fmt::format("{} is not a member; members are {}", request.target,
                                                fmt::join(record.members, ", ")));
    if (!request.target.empty() && request.target == record.primary)
        return refuse("bad_target", fmt::format("{} is the primary already", request.target));
    Event event{.kind = EventKind::hold_wanted, .member = request.target, .reason = request.reason, .request = request};
    if (request.kind == "hold") return event;
    if (request.kind == "resume") {
        event.kind = EventKind::resume_wanted;
        return event;
    }
    if (request.kind == "resync") {
        event.kind = EventKind::resync_wanted;
        if (event.member.empty())
            for (const auto& member : record.members)
                if (member != record.primary) event.member = member;
        if (event.member.empty()) return refuse("bad_target", "there is no standby");
        return event;
    }
    const auto* primary = serving(seen, record.primary, Role::primary);
    const bool healthy = primary != nullptr;
    if (event.member.empty() && !record.armed.empty()) event.member = record.armed.front();
    if (event.member.empty())
        for (const auto& member : record.members)
            if (member != record.primary && serving(seen, member, Role::replica) != nullptr) event.member = member;
    if (event.member.empty()) return refuse("bad_target", "there is no standby that could become the primary");
    event.request->target = event.member;
    const bool armed = std::ranges::find(record.armed, event.member) != record.armed.end();
    if (request.kind == "switchover") {
        event.kind = EventKind::switchover_wanted;
        if (!healthy) return refuse("primary_unhealthy", "the primary does not serve; a failover is what can help");
        if (record.state != State::synced)
            return refuse("not_synced", fmt::format("the instance is {}; a switchover waits until it is synced",
                                                    enum_name(record.state)));
        if (!armed || stream_of(*primary, event.member, record.epoch) == nullptr)
            return refuse("bad_target", event.member + " does not stream synchronously");
        return event;
    }
    event.kind = EventKind::failover_wanted;
    if (healthy && !request.force)
        return refuse("primary_healthy", "the primary is healthy: use a switchover, or force the failover");
    if (!request.allow_data_loss && !(record.failover_safe && armed))
        return refuse("not_failover_safe",
                      fmt::format("{} is not proven to hold every acknowledged commit; allow_data_loss accepts that",
                                  event.member));
    return event;
}

}  // namespace toygres::ha
