// What operators ask for, held against what is on record and what is seen.
#include "ha/model.hpp"
#include "ha/sight.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace toygres::ha {
namespace {

std::unexpected<Error> refuse(std::string code, std::string message) {
    return std::unexpected(Error{ErrorKind::conflict, std::move(code), std::move(message)});
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
    return std::ranges::find(names, name) != names.end();
}

bool leaves(const Record& record, const std::string& member) {
    const auto* standby = standby_of(record, member);
    return standby != nullptr && standby->standing == Standing::leaving;
}

// A request's target: a member of the instance that is not its primary, or nobody.
Result<void> check_target(const Request& request, const Record& record) {
    if (request.target.empty()) return {};
    if (!contains(record.members, request.target))
        return refuse("bad_target", fmt::format("{} is not a member; members are {}", request.target,
                                                fmt::join(record.members, ", ")));
    if (request.target == record.primary)
        return refuse("bad_target",
                      request.kind == "remove"
                          ? fmt::format("{} is the primary: switch over to another member first", request.target)
                          : fmt::format("{} is the primary already", request.target));
    return {};
}

// Whom roles shall change to, when nobody is named: one that is waited for, or else one that serves.
std::string best_target(const Record& record, const Observation& seen) {
    if (!record.armed.empty()) return record.armed.front();
    std::string found;
    for (const auto& member : record.members)
        if (member != record.primary && !leaves(record, member) && serving(seen, member, Role::replica) != nullptr)
            found = member;
    return found;
}

Result<Event> switchover(Event event, const Record& record, const AgentStatus* primary) {
    event.kind = EventKind::switchover_wanted;
    if (primary == nullptr)
        return refuse("primary_unhealthy", "the primary does not serve; a failover is what can help");
    if (record.state != State::synced)
        return refuse("not_synced",
                      fmt::format("the instance is {}; a switchover needs it to be synced", enum_name(record.state)));
    if (!contains(record.armed, event.member) || stream_of(*primary, event.member, record.epoch) == nullptr)
        return refuse("bad_target", event.member + " does not stream synchronously");
    return event;
}

Result<Event> failover(Event event, const Record& record, bool healthy) {
    event.kind = EventKind::failover_wanted;
    if (healthy && !event.request->force)
        return refuse("primary_healthy", "the primary is healthy: use a switchover, or force the failover");
    if (!event.request->allow_data_loss && !(record.failover_safe && contains(record.armed, event.member)))
        return refuse("not_failover_safe",
                      fmt::format("{} is not proven to hold every acknowledged commit; allow_data_loss accepts that",
                                  event.member));
    return event;
}

Result<Event> change_of_roles(Event event, const Record& record, const Observation& seen) {
    if (event.member.empty()) event.member = best_target(record, seen);
    if (event.member.empty()) return refuse("bad_target", "there is no standby that could become the primary");
    if (leaves(record, event.member)) return refuse("bad_target", event.member + " is being removed");
    event.request->target = event.member;
    const auto* primary = serving(seen, record.primary, Role::primary);
    const bool planned =
        event.request->kind == "switchover" || (event.request->kind == "promote" && primary != nullptr);
    return planned ? switchover(std::move(event), record, primary)
                   : failover(std::move(event), record, primary != nullptr);
}

}  // namespace

bool waits_for_sync(const Request& request, const Record& record, Timestamp now) {
    const bool planned = request.kind == "switchover" || request.kind == "promote";
    const bool may_come = record.state != State::synced && record.state != State::single &&
                          record.state != State::held && record.mode == Mode::sync;
    return planned && may_come && request.wait_until && now < *request.wait_until;
}

Result<Event> event_for(const Request& request, const Record& record, const Observation& seen) {
    Event event{.kind = EventKind::hold_wanted, .member = request.target, .reason = request.reason, .request = request};
    if (request.kind == "add") {
        event.kind = EventKind::add_wanted;
        event.member = next_member(record);
        return event;
    }
    if (const auto checked = check_target(request, record); !checked) return std::unexpected(checked.error());
    if (request.kind == "hold") return event;
    if (request.kind == "resume") {
        event.kind = EventKind::resume_wanted;
        return event;
    }
    if (request.kind == "configure") {
        event.kind = EventKind::configure_wanted;
        return event;
    }
    if (request.kind == "remove") {
        event.kind = EventKind::remove_wanted;
        if (event.member.empty()) return refuse("bad_target", "name the standby that shall go");
        if (leaves(record, event.member)) return refuse("bad_target", event.member + " is being removed already");
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
    return change_of_roles(std::move(event), record, seen);
}

}  // namespace toygres::ha
