// What an observation is evidence of.
#include "ha/membership.hpp"
#include "ha/model.hpp"
#include "ha/sight.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace toygres::ha {
namespace {

// A standby that heard from the primary so recently: the primary is not down because we cannot reach it.
constexpr std::int64_t fresh_word_ms = 3'000;
// After so long an old primary that has ended has told its standbys all that it will ever tell.
constexpr std::int64_t hopeless_ms = 1'000;
// A standby without a container may be on its way back, from a restart of its pod; but commits wait meanwhile.
constexpr std::int64_t standby_gone_ms = 1'000;
// A failover that cannot choose goes back to the old primary after so many times `silence_ms`: whom it waits for may be
// on its way back from a restart of its node, and is proven to hold everything.
constexpr std::int64_t silences_to_go_back = 5;

std::optional<Event> standby_that_streams(const Record& record, const AgentStatus& primary) {
    for (const auto& member : record.members)
        if ((record.mode == Mode::async || may_be_armed(record, member)) &&
            stream_of(primary, member, record.epoch) != nullptr)
            return Event{.kind = EventKind::standby_streaming, .member = member};
    return std::nullopt;
}

// A member that streams and gets on, is not waited for yet, and is close enough to be.
std::optional<Event> standby_to_arm(const Record& record, const Observation& seen, const AgentStatus& primary,
                                    const Policy& policy) {
    for (const auto& member : record.members) {
        const auto* view = view_of(seen, member);
        if (!may_be_armed(record, member) || view == nullptr || view->astray_ms > 0) continue;
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

std::optional<Event> judge_catching_up(const Record& record, const Observation& seen, const AgentStatus& primary,
                                       const Policy& policy) {
    if (!standby_that_streams(record, primary))
        return Event{.kind = EventKind::standby_lost, .reason = "no standby streams any more"};
    return standby_to_arm(record, seen, primary, policy);
}

// How long commits wait for a standby that gives no word: less when there is nothing that could.
std::int64_t patience_with(const Observation& seen, const std::vector<std::string>& members, const Policy& policy) {
    const bool gone = std::ranges::all_of(members, [&](const std::string& member) {
        const auto* view = view_of(seen, member);
        return view != nullptr && view->gone;
    });
    return gone ? std::min(policy.standby_timeout_ms, standby_gone_ms) : policy.standby_timeout_ms;
}

// One of several that is gone would keep a failover waiting for its word. While none of them gets on, all stay: the
// first that is back lets commits go on.
std::optional<Event> one_gone_of_several(const Record& record, const Observation& seen, const Policy& policy) {
    const auto is_gone = [&](const std::string& member) {
        const auto* standby = view_of(seen, member);
        return standby != nullptr && standby->astray_ms >= patience_with(seen, {member}, policy);
    };
    const auto gone = std::ranges::find_if(record.armed, is_gone);
    if (gone == record.armed.end() || std::ranges::all_of(record.armed, is_gone)) return std::nullopt;
    return Event{.kind = EventKind::standby_lost,
                 .member = *gone,
                 .reason = fmt::format("{} did not get on for {} ms", *gone, seen.at(*gone).astray_ms)};
}

std::optional<Event> judge_arming(const Record& record, const Observation& seen, const AgentStatus& primary,
                                  const Policy& policy) {
    const auto& view = seen.at(record.primary);
    if (record.durability == Durability::degrade && view.unreplicated_ms > policy.standby_timeout_ms)
        return Event{.kind = EventKind::standby_lost, .reason = "the standby went before it was confirmed"};
    if (auto gone = one_gone_of_several(record, seen, policy)) return gone;
    if (auto more = standby_to_arm(record, seen, primary, policy)) return more;
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

// A primary that is told to stop serves on for a while: the armed standby that has most takes over before it is gone.
// An operator who paused failovers wants no change of roles but by hand.
std::optional<Event> judge_leaving(const Record& record, const Observation& seen, const AgentStatus& primary,
                                   const Policy& policy) {
    if (!primary.stop_requested.value_or(false) || !record.automatic_failover || policy.paused_for_all.value_or(false))
        return std::nullopt;
    const std::string* heir = nullptr;
    Lsn most;
    for (const auto& member : record.armed) {
        const auto* standby = serving(seen, member, Role::replica);
        const auto* stream = stream_of(primary, member, record.epoch);
        if (standby == nullptr || stream == nullptr || standby->stop_requested.value_or(false) ||
            seen.at(member).astray_ms > 0)
            continue;
        const auto has = lsn_of(stream->flush_lsn);
        if (heir != nullptr && has <= most) continue;
        heir = &member;
        most = has;
    }
    if (heir == nullptr) return std::nullopt;
    return Event{.kind = EventKind::primary_leaving,
                 .member = *heir,
                 .reason = fmt::format("the primary was told to stop: {} takes over", *heir)};
}

std::optional<Event> judge_synced(const Record& record, const Observation& seen, const AgentStatus& primary,
                                  const Policy& policy) {
    const auto& view = seen.at(record.primary);
    if (obeys(primary, record) && primary.synchronous_standby_names &&
        *primary.synchronous_standby_names != synchronous_names(record.armed, record.epoch))
        return Event{.kind = EventKind::standby_lost,
                     .reason = fmt::format("synchronous_standby_names is '{}', set by somebody else",
                                           *primary.synchronous_standby_names)};
    if (record.durability == Durability::degrade && view.unreplicated_ms >= patience_with(seen, record.armed, policy))
        return Event{.kind = EventKind::standby_lost,
                     .reason = fmt::format("no standby acknowledged for {} ms", view.unreplicated_ms)};
    if (auto leaving = judge_leaving(record, seen, primary, policy)) return leaving;
    if (auto gone = one_gone_of_several(record, seen, policy)) return gone;
    return standby_to_arm(record, seen, primary, policy);
}

// The old primary stopped cleanly, and the target holds its very last word.
std::optional<Event> judge_stopping(const Record& record, const Observation& seen, const Policy& policy,
                                    Timestamp now) {
    const auto* old = view_of(seen, record.primary);
    if (old != nullptr && old->gone && old->silent_ms >= policy.crash_restart_grace_ms)
        return Event{.kind = EventKind::stop_failed,
                     .reason = "the old primary went before it could be asked for its last word"};
    const auto& target = record.request ? record.request->target : record.armed.front();
    const auto* next = serving(seen, target, Role::replica);
    if (old != nullptr && old->status && obeys(*old->status, record) && old->status->role == Role::none &&
        old->status->state == AgentState::waiting && old->status->clean_shutdown) {
        if (!*old->status->clean_shutdown)
            return Event{.kind = EventKind::stop_failed,
                         .reason = "the old primary did not stop cleanly" +
                                   (old->status->last_error ? ": " + *old->status->last_error : "")};
        if (next != nullptr && old->status->flush_lsn && lsn_of(next->receive_lsn) > lsn_of(old->status->flush_lsn))
            return Event{.kind = EventKind::primary_stopped,
                         .member = target,
                         .lsn = *old->status->flush_lsn,
                         .reason = fmt::format("{} has received {}, the shutdown checkpoint is at {}", target,
                                               next->receive_lsn.value_or(""), *old->status->flush_lsn)};
        // Its stream broke off before the end, and there is nobody left who could send the rest.
        if (next != nullptr && !next->receiver && old->down_ms >= hopeless_ms)
            return Event{.kind = EventKind::stop_failed,
                         .reason = fmt::format("{} did not receive the last of what the old primary wrote", target)};
    }
    const auto timeout = record.request ? record.request->timeout_ms : 60'000;
    if (record.change_began_at && now - *record.change_began_at > std::chrono::milliseconds(timeout))
        return Event{.kind = EventKind::stop_failed,
                     .reason = fmt::format("the old primary did not hand over within {} ms", timeout)};
    return std::nullopt;
}

// A replica that receives nothing any more and says how far it got.
bool is_frozen(const Record& record, const Observation& seen, const std::string& member) {
    const auto* view = view_of(seen, member);
    return view != nullptr && view->status && view->status->state == AgentState::running &&
           view->status->role == Role::replica && obeys(*view->status, record) && !view->status->receiver &&
           view->status->receive_lsn;
}

bool is_leaving(const Record& record, const std::string& member) {
    const auto* standby = standby_of(record, member);
    return standby != nullptr && standby->standing == Standing::leaving;
}

// Of those whom the failover cannot choose without, one that has not served for so long, or has not said for so long
// how far it got. With consent it takes whoever is there, and waits for all only when nobody is.
const std::string* missing_candidate(const Record& record, const Observation& seen, Timestamp now,
                                     std::int64_t patience_ms) {
    const bool long_ago =
        record.change_began_at && now - *record.change_began_at >= std::chrono::milliseconds(patience_ms);
    const auto is_missing = [&](const std::string& member) {
        const auto* view = view_of(seen, member);
        if (view == nullptr) return false;
        return view->down_ms >= patience_ms || (long_ago && !is_frozen(record, seen, member));
    };
    if (!record.request || !record.request->allow_data_loss) {
        const auto missing = std::ranges::find_if(record.armed, is_missing);
        return missing == record.armed.end() ? nullptr : &*missing;
    }
    const std::string* last = nullptr;
    for (const auto& member : record.members) {
        if (member == record.old_primary || is_leaving(record, member)) continue;
        if (!is_missing(member)) return nullptr;
        last = &member;
    }
    return last;
}

// It obeys the fence, and what it reports of its data is what it last served.
bool may_go_on(const Record& record, const Observation& seen) {
    const auto* old = view_of(seen, record.old_primary);
    return old != nullptr && old->status && obeys(*old->status, record) && old->status->role == Role::none &&
           old->status->state == AgentState::waiting && old->status->clean_shutdown && old->status->flush_lsn &&
           !old->status->stop_requested.value_or(false);
}

std::optional<Event> judge_failing_over(const Record& record, const Observation& seen, const Policy& policy,
                                        Timestamp now) {
    if (const auto best = most_advanced(record, seen))
        return Event{.kind = EventKind::positions_frozen,
                     .member = *best,
                     .lsn = seen.at(*best).status->receive_lsn.value_or(""),
                     .reason = fmt::format("{} holds everything up to {}", *best,
                                           seen.at(*best).status->receive_lsn.value_or("?"))};
    const auto* missing = missing_candidate(record, seen, now, silences_to_go_back * policy.silence_ms);
    if (missing == nullptr || !may_go_on(record, seen)) return std::nullopt;
    return Event{.kind = EventKind::old_primary_back,
                 .member = record.old_primary,
                 .reason = fmt::format("{} is back with all its data, and {} cannot be compared with the others",
                                       record.old_primary, *missing)};
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
        if (member == record.old_primary || is_leaving(record, member)) continue;
        const bool armed = std::ranges::find(record.armed, member) != record.armed.end();
        const bool frozen = is_frozen(record, seen, member);
        // One acknowledgement was enough: which of the armed gave it is known when all are heard.
        if (armed && !frozen && !consent) return std::nullopt;
        // With consent nobody is waited for who does not answer, but who does may have more than those before it.
        if (consent && !frozen && serving(seen, member, Role::replica) != nullptr) return std::nullopt;
        if (!frozen || (!armed && !consent)) continue;
        const auto lsn = lsn_of(seen.at(member).status->receive_lsn);
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
    if (policy.paused_for_all.value_or(false)) return "automatic failover is paused for all instances";
    if (record.last_failover_at && now - *record.last_failover_at < std::chrono::milliseconds(policy.cooldown_ms))
        return fmt::format("the last failover was less than {} s ago", policy.cooldown_ms / 1000);
    const auto* view = view_of(seen, record.primary);
    if (view != nullptr && view->status && view->status->disk_free_bytes &&
        *view->status->disk_free_bytes < policy.disk_reserve_bytes)
        return "the primary's volume is full: a standby of the same size would fill as well";
    // Each of them may be the only one that has the last of what was acknowledged.
    for (const auto& member : record.armed)
        if (serving(seen, member, Role::replica) == nullptr)
            return fmt::format("the standby {}, which may alone hold the last commits, does not answer either", member);
    return {};
}

namespace {

// A failover that has begun cannot choose before those that may hold the last commits have said how far they got.
std::optional<std::string> cannot_choose_because(const Record& record, const Observation& seen, const Policy& policy,
                                                 Timestamp now) {
    const auto* missing = missing_candidate(record, seen, now, policy.silence_ms);
    if (missing == nullptr) return std::nullopt;
    if (record.request && record.request->allow_data_loss)
        return std::string("the failover waits for a member that could be promoted: none of them serves");
    return fmt::format(
        "the failover waits for the standby {}, which may alone hold the last commits and has not said how far it got, "
        "or for {} to come back with its data",
        *missing, record.old_primary);
}

}  // namespace

std::optional<std::string> blocked_because(const Record& record, const Observation& seen, const Policy& policy,
                                           Timestamp now) {
    if (record.state == State::failing_over && record.primary.empty())
        return cannot_choose_because(record, seen, policy, now);
    if (record.primary.empty() || record.members.size() < 2 || record.state == State::creating ||
        record.state == State::switching || !primary_is_down(record, seen, policy))
        return std::nullopt;
    if (record.state == State::held) return "held by an operator";
    auto why = why_no_failover(record, seen, policy, now);
    return why.empty() ? std::nullopt : std::optional(std::move(why));
}

namespace {

// What the state of the instance asks for; `primary`: null while it does not serve.
std::optional<Event> judge_state(const Record& record, const Observation& seen, const Policy& policy, Timestamp now,
                                 const AgentStatus* primary) {
    if (record.state == State::failing_over && record.primary.empty())
        return judge_failing_over(record, seen, policy, now);
    const bool stopping =
        record.state == State::switching && std::ranges::find(record.fenced, record.primary) != record.fenced.end();
    if (stopping) return judge_stopping(record, seen, policy, now);
    if (primary == nullptr) {
        if (record.state == State::synced && primary_is_down(record, seen, policy) &&
            why_no_failover(record, seen, policy, now).empty())
            return Event{.kind = EventKind::primary_down, .member = record.primary, .reason = "the primary is down"};
        return std::nullopt;
    }
    switch (record.state) {
        case State::creating:
            if (!obeys(*primary, record)) return std::nullopt;
            return Event{.kind = EventKind::primary_ready, .member = record.primary};
        case State::joining:
        case State::degraded:
        case State::rejoining:
            return standby_that_streams(record, *primary);
        case State::catching_up:
            return judge_catching_up(record, seen, *primary, policy);
        case State::arming:
            return judge_arming(record, seen, *primary, policy);
        case State::synced:
            return judge_synced(record, seen, *primary, policy);
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

}  // namespace

std::optional<Event> judge(const Record& record, const Observation& seen, const Policy& policy, Timestamp now) {
    if (record.state == State::held) return std::nullopt;
    const auto* primary = serving(seen, record.primary, Role::primary);
    auto event = judge_state(record, seen, policy, now, primary);
    return event ? event : judge_membership(record, seen, primary);
}

}  // namespace toygres::ha
