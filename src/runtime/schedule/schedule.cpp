#include "runtime/schedule/schedule.hpp"

#include "runtime/schedule/activities.hpp"

namespace toygres::runtime {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t history_max = 400;  // then it continues as new
constexpr std::size_t runs_shown_max = 10;
constexpr std::size_t under_way_max = 100;     // of overlapping runs the older ones are forgotten
constexpr milliseconds until_next_try = 1min;  // when it cannot tell what is next
constexpr milliseconds idle = 24h * 365;

// The database may be away for as long as it takes.
RetryPolicy patient() { return {.attempts = 0, .initial_delay = 200ms, .delay_max = 10s, .start_to_close = 1min}; }

RetryPolicy for_ever() {
    return {.attempts = 0, .initial_delay = 200ms, .delay_max = 10s, .start_to_close = milliseconds(0)};
}

// An activity's failure as a value, a cancellation as what it is.
template <class T> Task<Result<T>> tried(OrchestrationContext& ctx, Future<T> future) {
    auto out = co_await ctx.attempt(std::move(future));
    if (!out && ctx.cancelled()) raise(ErrorKind::cancelled, "cancelled", *ctx.cancelled());
    co_return out;
}

void forget_plan(ScheduleProgress& p) {
    p.next.reset();
    p.due.reset();
}

void drop_buffered(ScheduleProgress& p) {
    if (p.buffered) ++p.skipped;
    p.buffered.reset();
}

// Runs for a time before that are missed. Jitter does not count as being late.
Timestamp missed_before(const OrchestrationContext& ctx, const ScheduleSpec& spec) {
    return ctx.now() - spec.catch_up - spec.jitter;
}

Task<Nothing> plan(OrchestrationContext& ctx, const ScheduleSpec& spec, ScheduleProgress& p) {
    const auto before = missed_before(ctx, spec);
    if (p.paused || (p.next && *p.next >= before)) co_return Nothing{};
    const auto found = co_await tried(ctx, ctx.call<PlanRuns>({spec.cron, spec.zone, p.settled, before}, patient()));
    forget_plan(p);
    p.problem = found ? std::nullopt : std::optional(found.error().message);
    if (!found) co_return Nothing{};
    p.missed += found->missed;
    p.settled = found->settled;
    p.next = p.due = found->next;
    if (p.due && spec.jitter > 0ms)
        *p.due += milliseconds(ctx.random() % static_cast<std::uint64_t>(spec.jitter.count() + 1));
    co_return Nothing{};
}

Task<Nothing> start(OrchestrationContext& ctx, const Schedule::Input& in, ScheduleProgress& p, Timestamp at) {
    const auto id = run_id(in.name, at);
    const auto done = co_await tried(ctx, ctx.call<StartRun>({id, in.spec.type, in.name, in.spec.input}, patient()));
    const auto error = done ? std::nullopt : std::optional(done.error().message);
    p.runs.insert(p.runs.begin(), {id, at, ctx.now(), error});
    if (p.runs.size() > runs_shown_max) p.runs.pop_back();
    if (error) co_return Nothing{};
    ++p.started;
    p.under_way.push_back(id);
    if (p.under_way.size() > under_way_max) p.under_way.erase(p.under_way.begin());
    co_return Nothing{};
}

// What was waiting for others to end.
Task<Nothing> start_buffered(OrchestrationContext& ctx, const Schedule::Input& in, ScheduleProgress& p) {
    const auto at = *std::exchange(p.buffered, std::nullopt);
    return start(ctx, in, p, at);
}

// A run for `at`, as far as the others let it.
Task<Nothing> admit(OrchestrationContext& ctx, const Schedule::Input& in, ScheduleProgress& p, Timestamp at) {
    const auto overlap = in.spec.overlap;
    if (overlap == Overlap::allow) co_return co_await start(ctx, in, p, at);
    if (!p.under_way.empty()) p.under_way = (co_await ctx.call<LookAtRuns>({p.under_way}, patient())).ids;
    if (p.under_way.empty() && p.buffered && overlap == Overlap::buffer_one) co_await start_buffered(ctx, in, p);
    if (overlap == Overlap::cancel_running) drop_buffered(p);
    if (p.under_way.empty()) co_return co_await start(ctx, in, p, at);
    if (overlap == Overlap::skip || p.buffered) {
        ++p.skipped;
        co_return Nothing{};
    }
    p.buffered = at;
    if (overlap == Overlap::cancel_running)
        co_await ctx.call<CancelRuns>({p.under_way, "the next run of schedule " + in.name + " came due"}, patient());
    co_return Nothing{};
}

Task<Nothing> come_due(OrchestrationContext& ctx, const Schedule::Input& in, ScheduleProgress& p) {
    const auto at = *p.next;
    p.settled = at;
    forget_plan(p);
    return admit(ctx, in, p, at);
}

// The next order, if one comes before the next run, or the end of those that one waits for.
Task<std::optional<Json>> next_order(OrchestrationContext& ctx, ScheduleProgress& p) {
    const auto until = p.due ? *p.due : ctx.now() + (p.problem ? until_next_try : idle);
    if (!p.buffered) {
        auto first = co_await ctx.any(ctx.wait<Json>(schedule_order), ctx.sleep_until(until));
        co_return first.index == 0 ? std::optional(std::get<0>(std::move(first.value))) : std::nullopt;
    }
    auto first = co_await ctx.any(ctx.wait<Json>(schedule_order), ctx.sleep_until(until),
                                  ctx.call<AwaitRuns>({p.under_way}, for_ever()));
    if (first.index == 2) p.under_way.clear();
    co_return first.index == 0 ? std::optional(std::get<0>(std::move(first.value))) : std::nullopt;
}

// A time of its own, which is nobody's by the cron line.
Timestamp trigger_time(const OrchestrationContext& ctx, const ScheduleProgress& p) {
    auto at = p.last_trigger ? std::max(ctx.now(), *p.last_trigger + 1ms) : ctx.now();
    if (at == std::chrono::floor<std::chrono::seconds>(at)) at += 1ms;
    return at;
}

Task<Nothing> obey(OrchestrationContext& ctx, Schedule::Input& in, ScheduleProgress& p, ScheduleOrder order) {
    if (order.verb == ScheduleVerb::trigger) {
        const auto at = trigger_time(ctx, p);
        p.last_trigger = at;
        co_return co_await admit(ctx, in, p, at);
    }
    if (order.note || order.verb != ScheduleVerb::change) p.note = order.note.value_or("");
    // What has passed while it was paused, or was for another line, is not made up.
    if (p.paused || order.verb == ScheduleVerb::change) p.settled = std::max(p.settled, ctx.now());
    if (order.verb == ScheduleVerb::pause) drop_buffered(p);
    if (order.verb != ScheduleVerb::change) p.paused = order.verb == ScheduleVerb::pause;
    if (order.spec) in.spec = *std::move(order.spec);
    p.problem.reset();
    forget_plan(p);
    co_return Nothing{};
}

// Anybody may send a signal.
std::optional<ScheduleOrder> read_order(const OrchestrationContext& ctx, const Json& payload) {
    try {
        return decode<ScheduleOrder>(payload);
    } catch (const ErrorException& e) {
        ctx.log("schedule.order_not_understood", {{"message", e.error().message}});
        return std::nullopt;
    }
}

}  // namespace

ScheduleProgress Schedule::beginning(Timestamp now, bool paused, std::string note) {
    ScheduleProgress out{};
    out.paused = paused;
    out.note = std::move(note);
    out.settled = now;
    return out;
}

Task<Schedule::Output> Schedule::run(OrchestrationContext& ctx, Input in) {
    auto p = in.progress;
    bool changed = false;  // the spec is shown as the input of the execution
    while (!changed && ctx.history_size() < history_max) {
        const bool may_start = in.spec.overlap == Overlap::allow || p.under_way.empty();
        if (p.buffered && may_start) co_await start_buffered(ctx, in, p);
        co_await plan(ctx, in.spec, p);
        ctx.set_status(encode(p));
        if (p.due && *p.due <= ctx.now()) {
            co_await come_due(ctx, in, p);
            continue;
        }
        const auto payload = co_await next_order(ctx, p);
        const auto order = payload ? read_order(ctx, *payload) : std::nullopt;
        if (!order) continue;
        if (order->verb == ScheduleVerb::remove) co_return Nothing{};
        co_await obey(ctx, in, p, *order);
        changed = order->spec.has_value();
    }
    in.progress = std::move(p);
    ctx.continue_as_new(in);
}

}  // namespace toygres::runtime
