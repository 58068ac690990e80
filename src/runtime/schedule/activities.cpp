#include "runtime/schedule/activities.hpp"

#include "runtime/host/client.hpp"
#include "runtime/schedule/spec.hpp"
#include "runtime/schedule/zone.hpp"

namespace toygres::runtime {

using namespace std::chrono_literals;

namespace {

constexpr std::int64_t missed_max = 10'000;  // that are counted one by one

// Of one that was pruned nobody knows any more.
bool has_ended(const Result<OrchestrationRow>& row) {
    if (!row && row.error().kind != ErrorKind::not_found) throw ErrorException(row.error());
    return !row || is_finished(row->status);
}

}  // namespace

asio::awaitable<PlanRuns::Output> PlanRuns::run(ActivityContext&, Input in) {
    const auto line = value_or_raise(Cron::parse(in.cron));
    const auto zone = value_or_raise(Zone::find(in.zone));
    Output out{.missed = 0, .settled = in.after, .next = zone.next(line, in.after)};
    while (out.next && *out.next < in.missed_before) {
        ++out.missed;
        out.settled = out.missed < missed_max ? *out.next : in.missed_before - 1ms;
        out.next = zone.next(line, out.settled);
    }
    co_return out;
}

asio::awaitable<StartRun::Output> StartRun::run(ActivityContext& ctx, Input in) {
    value_or_raise(co_await ctx.service<Client>().start({.id = std::move(in.id),
                                                         .name = std::move(in.type),
                                                         .input = std::move(in.input),
                                                         .on_conflict = OnConflict::use_existing,
                                                         .tags = {{schedule_tag, in.schedule}}}));
    co_return Output{};
}

asio::awaitable<LookAtRuns::Output> LookAtRuns::run(ActivityContext& ctx, Input in) {
    Output out;
    for (const auto& id : in.ids)
        if (!has_ended(co_await ctx.service<Client>().get(id))) out.ids.push_back(id);
    co_return out;
}

asio::awaitable<AwaitRuns::Output> AwaitRuns::run(ActivityContext& ctx, Input in) {
    for (const auto& id : in.ids)
        for (;;) {
            const auto row = co_await ctx.service<Client>().wait(id, 1h);
            const bool still_runs = !row && row.error().code == "still_running";
            if (!still_runs && has_ended(row)) break;
        }
    co_return Output{};
}

asio::awaitable<CancelRuns::Output> CancelRuns::run(ActivityContext& ctx, Input in) {
    for (const auto& id : in.ids) {
        const auto sent = co_await ctx.service<Client>().cancel(id, in.reason);
        const bool over =
            !sent && (sent.error().kind == ErrorKind::not_found || sent.error().code == "orchestration_finished");
        if (!sent && !over) throw ErrorException(sent.error());
    }
    co_return Output{};
}

void register_schedule_activities(ActivityRegistry& registry) {
    registry.add<PlanRuns>();
    registry.add<StartRun>();
    registry.add<LookAtRuns>();
    registry.add<AwaitRuns>();
    registry.add<CancelRuns>();
}

}  // namespace toygres::runtime
