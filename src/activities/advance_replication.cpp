#include "activities/advance_replication.hpp"

#include "activities/instance_services.hpp"
#include "activities/tell_people.hpp"
#include "cms/operations.hpp"
#include "cms/replication.hpp"
#include "ha/model.hpp"

#include <fmt/format.h>

namespace toygres::activities {
namespace {

using ha::EventKind;

std::optional<std::string> operation_of(const std::optional<ha::Request>& request) {
    return request && !request->operation.empty() ? std::optional(request->operation) : std::nullopt;
}

// An operator's request that cannot be granted: its operation fails with the reason, nothing else changes.
asio::awaitable<void> refuse(pg::Connection& tx, const std::string& instance, const ha::Request& request,
                             const Error& error, const Json& evidence, const std::string& actor) {
    value_or_raise(co_await cms::clear_request(tx, instance));
    auto metadata = evidence.is_null() ? Json::object() : evidence;
    metadata["code"] = error.code;
    value_or_raise(co_await cms::add_replication_event(tx, instance, request.kind + "_refused", error.message,
                                                       std::move(metadata), actor, operation_of(request)));
    if (!request.operation.empty())
        value_or_raise(co_await cms::finish_operation(tx, request.operation, "failed", {}, encode(error)));
}

// Nothing where a standby was proven to hold everything; otherwise the bytes between the last that was seen of the old
// primary and what the new one has, if both are known.
std::optional<std::int64_t> loss(const ha::Record& before, const ha::Event& event, const Json& evidence) {
    if (before.failover_safe) return 0;
    const auto old = evidence.find(before.old_primary);
    if (old == evidence.end()) return std::nullopt;
    const auto had = ha::parse_lsn(old->value("flush_lsn", ""));
    const auto has = ha::parse_lsn(event.lsn);
    return had && has ? std::optional(ha::bytes_between(*has, *had)) : std::nullopt;
}

// What a request would do, as the result of its operation.
asio::awaitable<void> tell(pg::Connection& tx, const std::string& instance, const ha::Record& record,
                           const ha::Event& event, const Json& evidence, const std::string& actor, Timestamp now) {
    const auto next = ha::advance(record, event, now);
    if (!next) {
        co_await refuse(tx, instance, *event.request, next.error(), evidence, actor);
        co_return;
    }
    value_or_raise(co_await cms::clear_request(tx, instance));
    value_or_raise(co_await cms::finish_operation(tx, event.request->operation, "succeeded",
                                                  {{"dry_run", true},
                                                   {"state", enum_name(next->state)},
                                                   {"old_primary", record.primary},
                                                   {"new_primary", event.member},
                                                   {"failover_safe", record.failover_safe},
                                                   {"members", evidence}},
                                                  {}));
}

asio::awaitable<void> note_failover(pg::Connection& tx, const std::string& instance, const ha::Record& before,
                                    const ha::Record& after, const ha::Event& event, const Json& evidence) {
    if (before.failover != after.failover && !after.failover.empty()) {
        const bool planned = after.state == ha::State::switching;
        const auto* kind = planned ? "switchover" : after.request ? "manual" : "automatic";
        value_or_raise(co_await cms::begin_failover(
            tx, instance,
            {.id = after.failover,
             .kind = kind,
             .status = planned ? "waiting_for_sync" : "fencing_primary",
             .old_primary = after.old_primary,
             .new_primary =
                 after.request && !after.request->target.empty() ? std::optional(after.request->target) : std::nullopt,
             .epoch = planned ? after.epoch + 1 : after.epoch,
             .reason = event.reason,
             .data_loss_bytes = std::nullopt,
             .operation = operation_of(after.request),
             .inputs = evidence}));
        co_return;
    }
    if (before.failover.empty()) co_return;
    const auto move = [&](const char* status, std::optional<std::string> primary, std::optional<std::int64_t> lost) {
        return cms::move_failover(tx, before.failover, status, std::move(primary), after.epoch, lost);
    };
    if (event.kind == EventKind::primary_stopped || event.kind == EventKind::positions_frozen)
        value_or_raise(co_await move("promoting_replica", after.primary, loss(before, event, evidence)));
    else if (event.kind == EventKind::promoted)
        value_or_raise(co_await move("completed", after.primary, std::nullopt));
    else if (event.kind == EventKind::stop_failed || event.kind == EventKind::old_primary_back)
        value_or_raise(co_await move("failed", after.primary, std::nullopt));
}

// The end of the operation that asked for this, if this is the end of it.
asio::awaitable<void> finish(pg::Connection& tx, const ha::Record& before, const ha::Record& after,
                             const ha::Event& event) {
    const auto& request = event.request ? event.request : before.request;
    const auto operation = operation_of(request);
    if (!operation) co_return;
    // Standbys that come and go end theirs later: finish_members().
    const bool begins = event.kind == EventKind::switchover_wanted || event.kind == EventKind::failover_wanted ||
                        event.kind == EventKind::add_wanted || event.kind == EventKind::remove_wanted;
    if (begins || after.request) co_return;
    if (event.kind == EventKind::stop_failed || event.kind == EventKind::old_primary_back) {
        const auto* code = event.kind == EventKind::stop_failed ? "switchover_failed" : "failover_failed";
        value_or_raise(co_await cms::finish_operation(
            tx, *operation, "failed", {},
            encode(Error{ErrorKind::conflict, code, event.reason + "; the old primary goes on"})));
        co_return;
    }
    value_or_raise(co_await cms::finish_operation(
        tx, *operation, "succeeded",
        {{"state", enum_name(after.state)}, {"primary", after.primary}, {"epoch", after.epoch}}, {}));
}

// The end of the operations that added or removed a standby: it holds what it shall, or nothing is left of it.
asio::awaitable<void> finish_members(pg::Connection& tx, const ha::Record& before, const ha::Record& after) {
    using ha::Standing;
    for (const auto& [member, was] : before.standbys.value_or(std::map<std::string, ha::Standby>())) {
        if (!was.operation) continue;
        const auto* is = ha::standby_of(after, member);
        const bool joined = was.standing == Standing::joining && is != nullptr && is->standing == Standing::present;
        const bool given_up = was.standing == Standing::joining && is != nullptr && is->standing == Standing::leaving;
        const bool left = was.standing == Standing::removed && is == nullptr;
        if (joined || left)
            value_or_raise(co_await cms::finish_operation(tx, *was.operation, "succeeded",
                                                          {{"member", member}, {"state", enum_name(after.state)}}, {}));
        else if (given_up)
            value_or_raise(co_await cms::finish_operation(
                tx, *was.operation, "failed", {},
                encode(Error{ErrorKind::conflict, "replica_removed",
                             member + " was removed before it held what the instance promises"})));
    }
}

// Alerts that begin and end, each with its event, and told to those who want to hear of them.
asio::awaitable<void> note_alerts(runtime::StepContext& ctx, const std::string& instance, const Json& stored,
                                  const Json& lasting) {
    auto& tx = ctx.sql();
    const auto was = decode<std::vector<ha::Alert>>(stored);
    const auto is = decode<std::vector<ha::Alert>>(lasting);
    const auto among = [](const std::vector<ha::Alert>& alerts, const ha::Alert& one) {
        return std::ranges::any_of(alerts,
                                   [&](const ha::Alert& a) { return a.kind == one.kind && a.member == one.member; });
    };
    const auto note = [&](const char* what, const ha::Alert& alert) -> asio::awaitable<void> {
        value_or_raise(co_await cms::add_replication_event(tx, instance, what, alert.message, encode(alert),
                                                           ctx.orchestration(), std::nullopt));
        co_await tell_people(ctx, instance, what, alert.message, encode(alert));
    };
    for (const auto& alert : is)
        if (!among(was, alert)) co_await note("alert_raised", alert);
    for (const auto& alert : was)
        if (!among(is, alert)) co_await note("alert_cleared", alert);
    value_or_raise(co_await cms::set_alerts(tx, instance, lasting));
}

asio::awaitable<void> note_news(runtime::StepContext& ctx, const std::string& instance, const cms::Replication& stored,
                                const WatchInstance::Output& seen) {
    auto& tx = ctx.sql();
    if (!seen.alerts.is_null()) co_await note_alerts(ctx, instance, stored.alerts, seen.alerts);
    const bool changed = value_or_raise(co_await cms::set_blocked(tx, instance, seen.blocked));
    if (!changed || !seen.blocked) co_return;
    value_or_raise(co_await cms::add_replication_event(tx, instance, "failover_refused", *seen.blocked, seen.evidence,
                                                       ctx.orchestration(), std::nullopt));
    co_await tell_people(ctx, instance, "failover_refused", *seen.blocked, seen.evidence);
}

// Changes of roles are told when they begin and when they end.
asio::awaitable<void> tell_of_failover(runtime::StepContext& ctx, const std::string& instance, const ha::Record& before,
                                       const ha::Record& after, const ha::Event& event) {
    const Json details = {{"epoch", after.epoch},
                          {"old_primary", after.old_primary.empty() ? before.old_primary : after.old_primary},
                          {"new_primary", after.primary},
                          {"state", enum_name(after.state)}};
    if (before.failover != after.failover && !after.failover.empty())
        co_await tell_people(ctx, instance, after.state == ha::State::switching ? "switchover_begun" : "failover_begun",
                             event.reason, details);
    else if (!before.failover.empty() && after.failover.empty())
        co_await tell_people(ctx, instance,
                             event.kind == EventKind::promoted ? "roles_changed" : "change_of_roles_failed",
                             event.reason, details);
}

}  // namespace

asio::awaitable<AdvanceReplication::Output> AdvanceReplication::run(runtime::StepContext& ctx, Input in) {
    auto& tx = ctx.sql();
    const auto& seen = in.seen;
    const auto stored = value_or_raise(co_await cms::get_replication(tx, in.instance));
    const auto record = decode<ha::Record>(stored.record);
    const auto now_in = [](const ha::Record& r) { return enum_name(r.state); };
    if (seen.blocked_is_news) {
        co_await note_news(ctx, in.instance, stored, seen);
        co_return Output{false, now_in(record)};
    }
    if (!seen.refusal.is_null()) {
        co_await refuse(tx, in.instance, decode<ha::Request>(seen.request), error_from_json(seen.refusal),
                        seen.evidence, ctx.orchestration());
        co_return Output{false, now_in(record)};
    }
    if (seen.event.is_null()) co_return Output{false, now_in(record)};
    const auto event = decode<ha::Event>(seen.event);
    if (event.request && event.request->dry_run) {
        co_await tell(tx, in.instance, record, event, seen.evidence, ctx.orchestration(), stored.read_at);
        co_return Output{false, now_in(record)};
    }
    // Whoever paused all failovers has the last word, also about one that was judged before.
    const bool by_itself = event.kind == EventKind::primary_down || event.kind == EventKind::primary_leaving;
    if (by_itself && !value_or_raise(co_await cms::get_fleet_failover(tx)).automatic)
        co_return Output{false, now_in(record)};
    const auto next = ha::advance(record, event, stored.read_at);
    if (!next) {
        if (event.request)
            co_await refuse(tx, in.instance, *event.request, next.error(), seen.evidence, ctx.orchestration());
        co_return Output{false, now_in(record)};
    }
    const auto& request = event.request ? event.request : record.request;
    const auto actor = request && !request->actor.empty() ? request->actor : ctx.orchestration();
    const bool advanced = value_or_raise(co_await cms::advance_replication(tx, in.instance,
                                                                           {.seen_state = seen.state,
                                                                            .seen_epoch = seen.epoch,
                                                                            .seen_revision = seen.revision,
                                                                            .record = encode(*next),
                                                                            .event = enum_name(event.kind),
                                                                            .actor = actor,
                                                                            .operation = operation_of(request),
                                                                            .reason = event.reason,
                                                                            .evidence = seen.evidence}));
    if (!advanced) co_return Output{false, now_in(record)};
    if (event.request) value_or_raise(co_await cms::clear_request(tx, in.instance));
    if (event.kind == EventKind::configure_wanted && event.request && event.request->settings &&
        !event.request->settings->policy.is_null())
        value_or_raise(co_await cms::change_policy(tx, in.instance, event.request->settings->policy));
    co_await note_failover(tx, in.instance, record, *next, event, seen.evidence);
    co_await finish(tx, record, *next, event);
    co_await finish_members(tx, record, *next);
    co_await tell_of_failover(ctx, in.instance, record, *next, event);
    co_return Output{true, now_in(*next)};
}

}  // namespace toygres::activities
