#include "ha/membership.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace toygres::ha {
namespace {

std::unexpected<Error> conflict(std::string code, std::string message) {
    return std::unexpected(Error{ErrorKind::conflict, std::move(code), std::move(message)});
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
    return std::ranges::find(names, name) != names.end();
}

std::map<std::string, Standby>& standbys(Record& record) {
    if (!record.standbys) record.standbys.emplace();
    return *record.standbys;
}

bool is(const Record& record, const std::string& member, Standing standing) {
    const auto* standby = standby_of(record, member);
    return standby != nullptr && standby->standing == standing;
}

std::int64_t highest_number(const Record& record) {
    std::int64_t highest = record.last_number.value_or(0);
    for (const auto& member : record.members) highest = std::max(highest, number_of(member));
    return highest;
}

bool streams(const AgentStatus& primary, const std::string& member, std::int64_t epoch) {
    return primary.peers && std::ranges::any_of(*primary.peers, [&](const PeerStatus& peer) {
               return peer.application_name == stream_name(member, epoch) && peer.state == "streaming";
           });
}

}  // namespace

const Standby* standby_of(const Record& record, const std::string& member) {
    if (!record.standbys) return nullptr;
    const auto it = record.standbys->find(member);
    return it == record.standbys->end() ? nullptr : &it->second;
}

bool may_be_armed(const Record& record, const std::string& member) {
    if (record.mode == Mode::async) return false;
    const auto* standby = standby_of(record, member);
    if (standby == nullptr) return true;
    return standby->mode == Mode::sync &&
           (standby->standing == Standing::joining || standby->standing == Standing::present);
}

std::string next_member(const Record& record) {
    const auto& first = record.members.front();
    return fmt::format("{}-{}", first.substr(0, first.rfind('-')), highest_number(record) + 1);
}

std::vector<std::string> removed_members(const Record& record) {
    std::vector<std::string> out;
    for (const auto& [member, standby] : record.standbys.value_or(std::map<std::string, Standby>()))
        if (standby.standing == Standing::removed) out.push_back(member);
    return out;
}

Result<Record> join(Record r, const Event& event) {
    if (event.member != next_member(r))
        return conflict("bad_target", fmt::format("the next member is {}, not {}", next_member(r), event.member));
    if (r.members.size() >= members_max)
        return conflict("too_many_members", fmt::format("an instance has at most {} members", members_max));
    auto standby = event.request ? event.request->standby.value_or(Standby{}) : Standby{};
    const bool alone = r.state == State::single;
    if (alone) r.mode = standby.mode;
    if (r.mode == Mode::async && standby.mode == Mode::sync)
        return conflict("asynchronous",
                        "the instance replicates asynchronously: add an asynchronous standby, or set its mode to sync");
    standby.standing = Standing::joining;
    standby.operation = event.request ? std::optional(event.request->operation) : std::nullopt;
    r.last_number = number_of(event.member);
    r.members.push_back(event.member);
    standbys(r)[event.member] = std::move(standby);
    if (alone) r.state = State::joining;
    ++r.revision;
    return r;
}

Record leave(Record r, const std::string& member, std::optional<std::string> operation) {
    r.last_number = highest_number(r);
    auto& standby = standbys(r)[member];
    standby.standing = Standing::leaving;
    standby.operation = std::move(operation);
    return r;
}

Record settle(Record r, const std::string& member) {
    if (is(r, member, Standing::joining)) standbys(r)[member].standing = Standing::present;
    return r;
}

Result<Record> release(Record r, const std::string& member) {
    if (!is(r, member, Standing::leaving) || member == r.primary || contains(r.armed, member))
        return conflict("bad_target", member + " does not leave, or is still waited for");
    standbys(r)[member].standing = Standing::removed;
    std::erase(r.members, member);
    std::erase(r.fenced, member);
    r.clones.erase(member);
    if (r.old_primary == member) r.old_primary.clear();
    if (r.members.size() == 1) r.state = State::single;
    ++r.revision;
    return r;
}

Record forget(Record r, const std::string& member) {
    if (is(r, member, Standing::removed)) standbys(r).erase(member);
    return r;
}

std::optional<Event> judge_membership(const Record& record, const Observation& seen, const AgentStatus* primary) {
    for (const auto& [member, standby] : record.standbys.value_or(std::map<std::string, Standby>())) {
        const auto view = seen.find(member);
        if (standby.standing == Standing::removed && view != seen.end() && view->second.erased)
            return Event{.kind = EventKind::member_erased, .member = member, .reason = "nothing is left of " + member};
        if (primary == nullptr || member == record.primary) continue;
        // Proven by the primary's own word: it obeys a topology in which nobody waits for the member.
        const bool obeyed = Reign{primary->epoch, primary->revision} >= Reign{record.epoch, record.revision} &&
                            primary->synchronous_standby_names == synchronous_names(record.armed, record.epoch);
        if (standby.standing == Standing::leaving && obeyed && !contains(record.armed, member) &&
            outcome(record.state, EventKind::member_released) == Outcome::advance)
            return Event{.kind = EventKind::member_released,
                         .member = member,
                         .reason = "nobody waits for " + member + " any more"};
        if (standby.standing == Standing::joining && !may_be_armed(record, member) &&
            outcome(record.state, EventKind::standby_streaming) == Outcome::advance &&
            streams(*primary, member, record.epoch))
            return Event{.kind = EventKind::standby_streaming, .member = member, .reason = member + " streams"};
    }
    return std::nullopt;
}

}  // namespace toygres::ha
