#include "activities/advance_replication.hpp"

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
                           const ha::Event& event, const Json& evidence, const std::string& actor) {
    const auto next = ha::advance(record, event, now());
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
    else if (event.kind == EventKind::stop_failed)
        value_or_raise(co_await move("failed", before.primary, std::nullopt));
}

// The end of the operation that asked for this, if this is the end of it.
asio::awaitable<void> finish(pg::Connection& tx, const ha::Record& before, const ha::Record& after,
                             const ha::Event& event) {
    const auto& request = event.request ? event.request : before.request;
    const auto operation = operation_of(request);
    if (!operation) co_return;
    const bool begins = event.kind == EventKind::switchover_wanted || event.kind == EventKind::failover_wanted;
    if (begins || after.request) co_return;
    if (event.kind == EventKind::stop_failed) {
        value_or_raise(co_await cms::finish_operation(
            tx, *operation, "failed", {},
            encode(Error{ErrorKind::conflict, "switchover_failed", event.reason + "; the old primary goes on"})));
        co_return;
    }
    value_or_raise(co_await cms::finish_operation(
        tx, *operation, "succeeded",
        {{"state", enum_name(after.state)}, {"primary", after.primary}, {"epoch", after.epoch}}, {}));
}

}  // namespace

asio::awaitable<AdvanceReplication::Output> AdvanceReplication::run(runtime::StepContext& ctx, Input in) {
    auto& tx = ctx.sql();
    const auto& seen = in.seen;
    const auto stored = value_or_raise(co_await cms::get_replication(tx, in.instance));
    const auto record = decode<ha::Record>(stored.record);
    const auto now_in = [](const ha::Record& r) { return enum_name(r.state); };
    if (seen.blocked_is_news) {
        value_or_raise(co_await cms::set_blocked(tx, in.instance, seen.blocked));
        if (seen.blocked)
            value_or_raise(co_await cms::add_replication_event(tx, in.instance, "failover_refused", *seen.blocked,
                                                               seen.evidence, ctx.orchestration(), std::nullopt));
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
        co_await tell(tx, in.instance, record, event, seen.evidence, ctx.orchestration());
        co_return Output{false, now_in(record)};
    }
    const auto next = ha::advance(record, event, now());
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
    co_await note_failover(tx, in.instance, record, *next, event, seen.evidence);
    co_await finish(tx, record, *next, event);
    co_return Output{true, now_in(*next)};
}

}  // namespace toygres::activities
