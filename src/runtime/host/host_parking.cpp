// Orchestrations that cannot go on: parked with the reason, tried again when something arrives or a release comes, and
// given up by an operator alone.
#include "base/log.hpp"
#include "metrics/metrics.hpp"
#include "runtime/host/host.hpp"

namespace toygres::runtime {
namespace {

auto& parked_total() {
    static auto& m = metrics::counter("toygres_runtime_parked_total",
                                      "Orchestrations parked for a difference in replay or an unknown name");
    return m;
}

}  // namespace

void Host::park(const LivePtr& live, const std::string& code, const std::string& reason) {
    live->stuck_reason = reason;
    live->execution.reset();
    live->type = nullptr;
    live->recovering = live->row.next_event > 1;  // what a later try finds not in motion is set in motion
    if (asked_to_end(*live)) return end_parked(live);
    parked_total().Increment();
    log::error("orchestration.parked",
               {{"orchestration", live->row.id}, {"name", live->row.name}, {"code", code}, {"reason", reason}});
    const Error silence{ErrorKind::conflict, "orchestration_stuck",
                        fmt::format("{} cannot go on, and so cannot answer: {}", live->row.id, reason)};
    refuse_questions(*live, silence);
    const auto owner = epoch_of(live->shard);
    auto error = to_json_value(Error{ErrorKind::internal, code, reason});
    if (!owner || (live->row.status == Status::stuck && live->row.error == error)) return;
    live->row.status = Status::stuck;
    live->row.error = error;
    Turn turn{.key = live->row.key,
              .id = live->row.id,
              .version = live->row.version.value_or(0),
              .execution = live->row.execution,
              .next_event = live->row.next_event,
              .status = Status::stuck,
              .error = std::move(error)};
    live->state = LiveState::committing;
    // What arrives for a parked one stays in the inbox's care: arrivals are kept in memory and consumed with a turn.
    committer_->submit({std::move(turn), *owner, {}, [this, live, silence](const Result<TurnReceipt>&) {
                            live->state = LiveState::idle;
                            refuse_questions(*live, silence);
                            // An operator may have given it up meanwhile.
                            if (asked_to_end(*live)) schedule(live);
                            drain_wake_.wake();
                        }});
}

bool Host::asked_to_end(const Live& live) {
    return std::ranges::any_of(live.arrivals, [](const Arrival& a) { return a.order == Order::terminate; });
}

// Records that an operator paused or resumed it, if one did: the last word counts. True while that is on its way.
bool Host::obey(const LivePtr& live) {
    Computed out;
    std::erase_if(live->arrivals, [&](Arrival& arrival) {
        const bool order = arrival.order == Order::pause || arrival.order == Order::resume;
        if (order) out.arrivals.push_back(std::move(arrival));
        return order;
    });
    if (out.arrivals.empty()) return false;
    for (const auto& arrival : out.arrivals) out.turn.consumed.push_back(arrival.message_id);
    const bool pause = out.arrivals.back().order == Order::pause;
    out.turn.key = live->row.key;
    out.turn.id = live->row.id;
    out.turn.version = live->row.version.value_or(0);
    out.turn.execution = live->row.execution;
    out.turn.next_event = live->row.next_event;
    out.turn.status = pause ? Status::paused : live->row.next_event > 1 ? Status::running : Status::pending;
    log::info(pause ? "orchestration.paused" : "orchestration.resumed", {{"orchestration", live->row.id}});
    if (!pause && suspects_.erase(live->row.id) > 0) spawn(acquit({live->row.id}));
    commit(live, std::move(out));
    return true;
}

// True when it was parked for what it had started.
bool Host::park_as_told(const LivePtr& live) {
    std::optional<Error> why;
    std::erase_if(live->arrivals, [&](const Arrival& arrival) {
        if (arrival.order != Order::park) return false;
        if (arrival.execution == live->row.execution) why = error_from_json(arrival.event.payload);
        return true;
    });
    if (why) park(live, why->code, why->message);
    return why.has_value();
}

// An operator gave up one whose code cannot be run.
void Host::end_parked(const LivePtr& live) {
    Computed out;
    out.arrivals = std::exchange(live->arrivals, {});
    for (const auto& arrival : out.arrivals)
        if (arrival.message_id != 0) out.turn.consumed.push_back(arrival.message_id);
    out.turn.key = live->row.key;
    out.turn.id = live->row.id;
    out.turn.version = live->row.version.value_or(0);
    out.turn.execution = live->row.execution;
    out.turn.next_event = live->row.next_event + 1;
    terminate(out, *live, live->row.next_event);
    tell_parent(out, *live);
    commit(live, std::move(out));
}

// When the code cannot read what it was given, the turn is void and what had arrived waits for code that can.
bool Host::refuse_unreadable(const LivePtr& live, Computed& out) {
    if (live->execution->unreadable().empty()) return false;
    const auto reason = live->execution->unreadable();
    give_back(*live, out);
    park(live, "undecodable_payload", reason);
    return true;
}

void Host::give_back(Live& live, Computed& computed) {
    live.arrivals.insert(live.arrivals.begin(), std::make_move_iterator(computed.arrivals.begin()),
                         std::make_move_iterator(computed.arrivals.end()));
    if (computed.before) live.row = *std::move(computed.before);
}

// The end of an orchestration that an operator asked for, as the event at `position`.
void Host::terminate(Computed& out, const Live& live, std::int64_t position) {
    const auto reason = to_json_value(Error{ErrorKind::cancelled, "terminated", "terminated by an operator"});
    const std::vector<Event> last{{.kind = EventKind::failed, .payload = reason}};
    out.turn.rows.push_back({live.row.execution, position, events_to_text(last, 0)});
    out.turn.status = Status::terminated;
    out.turn.error = reason;
}

}  // namespace toygres::runtime
