// Turns: arrivals in, events and commands recorded, effects released after the commit.
#include "base/log.hpp"
#include "metrics/metrics.hpp"
#include "runtime/core/planted.hpp"
#include "runtime/host/correlation.hpp"
#include "runtime/host/host.hpp"

#include <fmt/format.h>

namespace toygres::runtime {
namespace {

using namespace std::chrono_literals;

constexpr int continuations_per_turn_max = 16;
constexpr milliseconds patience_max = 20ms;

void count_end(const OrchestrationRow& row, Status status) {
    metrics::counter("toygres_runtime_orchestrations_finished_total", "Orchestrations that ended",
                     {{"name", row.name}, {"status", enum_name(status)}})
        .Increment();
}

prometheus::Counter& shadow_replays(const char* outcome) {
    return metrics::counter("toygres_runtime_shadow_replays_total", "Evicted executions that were replayed to see",
                            {{"outcome", outcome}});
}

// What the database has now, but for its own times.
OrchestrationRow row_at_end(OrchestrationRow row, const Turn& turn, Timestamp now) {
    row.output = turn.output;
    row.error = turn.error;
    row.updated_at = now;
    row.finished_at = now;
    return row;
}

// An execution that stands where its history ends. Errors: as Execution::replay(), invalid/"bad_history".
Result<std::unique_ptr<Execution>> replay(const OrchestrationType& type, const OrchestrationRow& row,
                                          const std::vector<std::string>& turns) {
    std::vector<Event> history;
    for (const auto& text : turns) {
        auto events = events_from_text(text, static_cast<std::int64_t>(history.size()) + 1);
        if (!events) return std::unexpected(std::move(events).error());
        std::ranges::move(*events, std::back_inserter(history));
    }
    auto execution = std::make_unique<Execution>(type, Identity{row.id, row.key, row.execution});
    if (auto replayed = execution->replay(std::move(history)); !replayed)
        return std::unexpected(std::move(replayed).error());
    if (execution->next_position() != row.next_event)
        return std::unexpected(Error{ErrorKind::internal, "bad_history",
                                     fmt::format("the history has {} events, the row expects {}",
                                                 execution->next_position() - 1, row.next_event - 1)});
    return execution;
}

}  // namespace

void Host::post(const LivePtr& live, Arrival arrival) {
    if (live->dropped) return;
    live->arrivals.push_back(std::move(arrival));
    if (live->state == LiveState::committing)
        committer_->hurry();
    else
        schedule(live);
}

void Host::schedule(const LivePtr& live) {
    if (live->state != LiveState::idle || live->dropped) return;
    live->state = LiveState::scheduled;
    if (holding_trials_) {
        on_trial_.push_back(live);
        trial_wake_.wake();
    } else {
        asio::post(io_, [this, live] { run_turn(live); });
    }
}

void Host::run_turn(const LivePtr& live) {
    if (live->dropped || draining_.contains(live->shard)) return;
    live->state = LiveState::idle;
    if (obey(live) || park_as_told(live)) return;
    const bool ends = asked_to_end(*live);
    const bool rests = live->row.status == Status::paused && !ends;
    if (rests && std::ranges::none_of(live->arrivals, &Arrival::is_question)) return;
    if (quarantined(*live)) {
        if (ends) return end_parked(live);
        return refuse_questions(*live, {ErrorKind::conflict, "orchestration_stuck",
                                        fmt::format("{} is quarantined, and so cannot answer", live->row.id)});
    }
    if (live->type == nullptr) {
        live->type = live->row.version ? orchestrations_.find(live->row.name, *live->row.version)
                                       : orchestrations_.latest(live->row.name);
        if (live->type == nullptr)
            return park(live, "unknown_orchestration",
                        fmt::format("no orchestration {}{} is known to this release", live->row.name,
                                    live->row.version ? fmt::format(" version {}", *live->row.version) : ""));
    }
    if (!live->execution && live->row.next_event > 1) {
        live->state = LiveState::loading;
        spawn(load_execution(live));
        return;
    }
    // Also what came with the order that ends it.
    if (live->row.status == Status::paused) answer_at_rest(*live);
    if (rests) return;
    if (live->recovering) take_up(live);
    if (live->type == nullptr || live->arrivals.empty()) return;  // parked by what was taken up
    auto computed = compute(live);
    if (computed) commit(live, *std::move(computed));
}

asio::awaitable<void> Host::load_execution(LivePtr live) {
    Pause pause(io_.get_executor(), clock_);
    auto turns = co_await store_.load_history(live->row.key, live->row.execution);
    while (!turns && !live->dropped && !stopping_) {
        co_await pause.wait(std::chrono::milliseconds(200));
        if (live->dropped || stopping_) co_return;
        turns = co_await store_.load_history(live->row.key, live->row.execution);
    }
    if (live->dropped || stopping_) co_return;
    live->state = LiveState::idle;
    auto replayed = replay(*live->type, live->row, *turns);
    if (!replayed) {
        park(live, replayed.error().code, replayed.error().message);
        co_return;
    }
    live->execution = *std::move(replayed);
    if (!live->stuck_reason.empty() || live->row.status == Status::stuck) {
        live->stuck_reason.clear();
        live->row.status = Status::running;
    }
    run_turn(live);
    if (holding_trials_) trial_wake_.wake();
}

void Host::evict(const LivePtr& live) {
    live->execution.reset();
    if (!options_.evict_every_turn && clock_.random() % 100 < options_.shadow_percent)
        spawn(shadow_replay(live->row.id, live->type, live->row));
}

// Whether what was just evicted could be had back: better known now than when it is needed. Only tells.
asio::awaitable<void> Host::shadow_replay(std::string id, const OrchestrationType* type, OrchestrationRow row) {
    auto turns = co_await store_.load_history(row.key, row.execution);
    const auto live = live_.find(id);
    if (!turns || stopping_ || live == live_.end() || live->second->row.execution != row.execution ||
        live->second->row.next_event != row.next_event)
        co_return;  // it has gone on meanwhile
    auto replayed = replay(*type, row, *turns);
    shadow_replays(replayed ? "same" : "differs").Increment();
    if (!replayed)
        log::error("orchestration.replay_differs", {{"orchestration", id},
                                                    {"name", row.name},
                                                    {"code", replayed.error().code},
                                                    {"reason", replayed.error().message}});
}

void Host::record(Computed& out, Live& live, Execution& execution, std::int64_t first_event) {
    const auto events = execution.take_new_events();
    if (events.empty()) return;
    out.turn.rows.push_back({live.row.execution, first_event, events_to_text(events, 0)});
    auto position = first_event;
    for (const auto& event : events) {
        if (event.kind == EventKind::status_set) out.turn.custom_status = event.payload;
        if (!is_arrival(event.kind)) out.effects.push_back({live.row.execution, position, event, clock_.now()});
        ++position;
    }
}

std::optional<Host::Computed> Host::compute(const LivePtr& live) {
    Computed out;
    auto& row = live->row;
    if (!live->execution)
        live->execution = std::make_unique<Execution>(*live->type, Identity{row.id, row.key, row.execution});
    const auto first = live->execution->next_position();
    bool begun = first > 1;
    bool terminated = false;
    auto& arrivals = out.arrivals;
    arrivals = std::exchange(live->arrivals, {});
    for (auto it = arrivals.begin(); it != arrivals.end(); ++it) {
        auto& arrival = *it;
        const auto& ended = live->execution->terminal();
        if (ended && ended->kind == EventKind::continued_as_new) {  // the rest is for the next execution
            live->arrivals.assign(std::make_move_iterator(it), std::make_move_iterator(arrivals.end()));
            arrivals.erase(it, arrivals.end());
            break;
        }
        if (arrival.message_id != 0) out.turn.consumed.push_back(arrival.message_id);
        if (planted(Fault::message_dropped) && arrival.message_id % 8 == 7) continue;
        if (arrival.execution != 0 && arrival.execution != row.execution) continue;
        if (!begun) {
            // Whatever comes first starts it: signals may overtake the start message.
            begun = live->execution->deliver({.kind = EventKind::started, .payload = row.input, .at = clock_.now()});
        }
        if (arrival.event.kind == EventKind::started) continue;
        terminated = terminated || arrival.order == Order::terminate;
        arrival.event.at = clock_.now();
        if (arrival.is_question()) {
            out.turn.answers.push_back(terminated ? answer_to(arrival, std::unexpected(orchestration_finished(row.id)))
                                                  : answer(*live, arrival));
            continue;
        }
        if (terminated) continue;  // and takes with it what came after
        live->execution->deliver(arrival.event);
    }
    out.turn.key = row.key;
    out.turn.id = row.id;
    out.turn.version = live->type->version;
    record(out, *live, *live->execution, first);
    if (refuse_unreadable(live, out)) return std::nullopt;
    auto next_event = live->execution->next_position();
    if (terminated && !live->execution->terminal()) {
        cancel_children(out, *live, *live->execution);
        terminate(out, *live, next_event++);
    }
    end_execution(out, *live);
    if (refuse_unreadable(live, out)) return std::nullopt;
    if (out.turn.status != Status::terminated) next_event = live->execution->next_position();
    if (out.turn.rows.empty() && out.turn.consumed.empty()) return std::nullopt;
    if (out.turn.rows.empty()) out.turn.key = 0;  // nothing but late messages
    out.turn.execution = row.execution;
    out.turn.next_event = next_event;
    if (is_finished(out.turn.status)) note_end(out, *live, out.turn.status, out.turn.error);
    tell_parent(out, *live);
    return out;
}

void Host::tell_parent(Computed& out, const Live& live) {
    if (!live.row.parent || live.row.detached || !is_finished(out.turn.status)) return;
    const auto& parent = *live.row.parent;
    const bool done = out.turn.status == Status::completed;
    out.turn.messages.push_back({.orchestration = parent.id,
                                 .kind = done ? MessageKind::child_completed : MessageKind::child_failed,
                                 .execution = planted(Fault::child_answers_any_execution) ? 0 : parent.execution,
                                 .event = parent.event,
                                 .payload = done ? out.turn.output : out.turn.error,
                                 .dedup_key = fmt::format("child/{}/{}", parent.execution, parent.event)});
}

// What the end of an execution means: the orchestration's end, or the beginning of the next execution in the same turn.
void Host::end_execution(Computed& out, Live& live) {
    for (int continuations = 0;; ++continuations) {
        auto& execution = *live.execution;
        add_messages(out, live, execution);
        const auto terminal = execution.terminal();
        if (!terminal) return;
        if (terminal->kind == EventKind::completed) {
            out.turn.status = Status::completed;
            out.turn.output = terminal->payload;
            return;
        }
        if (terminal->kind == EventKind::failed) {
            const auto error = error_from_json(terminal->payload);
            out.turn.status = error.kind == ErrorKind::cancelled ? Status::cancelled : Status::failed;
            out.turn.error = terminal->payload;
            return;
        }
        if (continuations == continuations_per_turn_max) {
            const auto error = to_json_value(Error{ErrorKind::internal, "continues_without_waiting",
                                                   "it continued as new many times without waiting for anything"});
            const std::vector<Event> last{{.kind = EventKind::failed, .payload = error}};
            out.turn.rows.push_back({live.row.execution, execution.next_position(), events_to_text(last, 0)});
            out.turn.status = Status::failed;
            out.turn.error = error;
            return;
        }
        const auto* latest = orchestrations_.latest(live.row.name);
        TG_ASSERT(latest != nullptr);
        note_end(out, live, Status::running, {});
        stop_all(live);
        if (!out.before) out.before = live.row;
        live.type = latest;
        live.row.version = latest->version;
        out.turn.version = latest->version;
        ++live.row.execution;
        live.row.input = terminal->payload;
        out.turn.input = terminal->payload;
        live.execution = std::make_unique<Execution>(*latest, Identity{live.row.id, live.row.key, live.row.execution});
        live.execution->deliver(
            {.kind = EventKind::started, .payload = live.row.input, .options = terminal->options, .at = clock_.now()});
        record(out, live, *live.execution, 1);
    }
}

void Host::note_end(Computed& out, const Live& live, Status status, const Json& error) const {
    if (!trace::enabled()) return;
    auto of = trace_of(live.row, live.row.execution);
    if (!of.context.sampled) return;
    const bool continued = status == Status::running;
    out.spans.push_back(
        {.context = std::move(of.context),
         .parent_span_id = std::move(of.parent_span_id),
         .link = std::move(of.link),
         .name = live.row.name,
         .began = live.execution ? live.execution->began_at() : live.row.created_at,
         .ended = clock_.now(),
         .attributes = {{"toygres.kind", "orchestration"},
                        {"toygres.orchestration", live.row.id},
                        {"toygres.execution", live.row.execution},
                        {"toygres.version", live.row.version.value_or(0)},
                        {"toygres.status", continued ? std::string("continued") : std::string(enum_name(status))}},
         .error = error.is_object() ? std::optional(error.value("code", "")) : std::nullopt});
    correlate(out.spans.back().attributes, live.row.tags);
}

Child child_of(const Event& command) {
    const auto close = command.options.value("close", std::string());
    return {command.target, enum_from<ClosePolicy>(close) == ClosePolicy::abandon};
}

void Host::cancel_child(Computed& out, const Live& live, const std::string& child, std::int64_t position) {
    out.turn.messages.push_back({.orchestration = child,
                                 .kind = MessageKind::cancel,
                                 .payload = fmt::format("cancelled by {}", live.row.id),
                                 .dedup_key = cancel_key({live.row.id, live.row.execution, position})});
}

// Of those that are to end with their parent.
void Host::cancel_children(Computed& out, const Live& live, const Execution& execution) {
    for (const auto& [position, open] : execution.open())
        if (open.command.kind == EventKind::child_scheduled && !open.result && !child_of(open.command).abandoned)
            cancel_child(out, live, open.command.target, position);
}

// Messages and starts that the commands of this turn stand for; of one execution at a time.
void Host::add_messages(Computed& out, Live& live, Execution& execution) {
    for (const auto& effect : out.effects) {
        if (effect.execution != live.row.execution) continue;
        if (effect.command.kind == EventKind::child_scheduled || effect.command.kind == EventKind::detach_scheduled) {
            out.turn.starts.push_back(start_request(live, effect));
            if (effect.command.kind == EventKind::child_scheduled)
                live.children[effect.position] = child_of(effect.command);
        } else if (effect.command.kind == EventKind::cancelled || effect.command.kind == EventKind::child_cancelled) {
            const auto child = live.children.find(effect.command.of);
            if (child == live.children.end()) continue;
            if (effect.command.kind == EventKind::child_cancelled || !child->second.abandoned)
                cancel_child(out, live, child->second.id, effect.command.of);
        }
    }
    if (execution.terminal()) cancel_children(out, live, execution);
}

// How long the commit of a turn may wait for others: a thousandth of the shortest time that its orchestration has just
// waited or is about to wait, for nobody notices that. Nothing, when anybody else has to do with the turn.
milliseconds Host::patience_of(const Computed& computed) {
    const auto& turn = computed.turn;
    const bool alone = turn.consumed.empty() && turn.answers.empty() && turn.messages.empty() && turn.starts.empty();
    if (!alone || is_finished(turn.status) || turn.key == 0) return {};
    auto shortest = milliseconds::max();
    const bool waits = std::ranges::all_of(computed.effects, [&](const Effect& effect) {
        const auto& command = effect.command;
        if (command.kind == EventKind::timer_created) shortest = std::min(shortest, command.at - effect.opened_at);
        return command.kind == EventKind::timer_created || command.kind == EventKind::wait_started ||
               command.kind == EventKind::cancelled || command.kind == EventKind::status_set;
    });
    if (!waits || shortest == milliseconds::max()) {
        shortest = milliseconds::max();
        for (const auto& arrival : computed.arrivals) shortest = std::min(shortest, arrival.waited);
    }
    return shortest == milliseconds::max() ? 0ms : std::clamp(shortest / 1000, 0ms, patience_max);
}

void Host::commit(const LivePtr& live, Computed computed) {
    const auto owner = epoch_of(live->shard);
    if (!owner) return;
    live->state = LiveState::committing;
    auto shared = std::make_shared<Computed>(std::move(computed));
    if (planted(Fault::effects_before_commit))
        for (const auto& effect : shared->effects) release(live, effect);
    const auto patience = holding_trials_ ? 0ms : patience_of(*shared);
    committer_->submit({shared->turn, *owner, patience, [this, live, shared](Result<TurnReceipt> receipt) {
                            const bool refused = !receipt && receipt.error().code != "fence_lost" &&
                                                 !receipt.error().retryable() &&
                                                 receipt.error().kind != ErrorKind::cancelled;
                            if (!refused || live->dropped)
                                for (const auto id : shared->turn.consumed) was_consumed(id, receipt.has_value());
                            if (live->dropped) return drain_wake_.wake();
                            live->state = LiveState::idle;
                            if (receipt) {
                                committed(live, *shared, *receipt);
                            } else if (!refused) {
                                drop_shard(live->shard);
                                membership_wake_.wake();
                            } else {
                                // The database refuses this very turn: what was computed is void, the record stands,
                                // and what had arrived is kept for the next try.
                                give_back(*live, *shared);
                                park(live, receipt.error().code, receipt.error().message);
                            }
                            drain_wake_.wake();
                        }});
}

void Host::committed(const LivePtr& live, Computed& computed, const TurnReceipt& receipt) {
    const auto& turn = computed.turn;
    tell_askers(turn.id, turn.answers);
    for (std::size_t i = 0; i < turn.messages.size(); ++i) {
        auto message = turn.messages[i];
        const auto shard = shard_of(message.orchestration);
        if (!owned_.contains(shard)) {
            notify(shard);
        } else if (receipt.message_ids[i] != 0 && live_.contains(message.orchestration)) {
            message.id = receipt.message_ids[i];
            take_message(message);
        } else {
            inbox_due_ = true;
            inbox_wake_.wake();
        }
    }
    if (turn.key == 0) {
        if (!live->arrivals.empty()) schedule(live);
        return;
    }
    for (auto& span : std::exchange(computed.spans, {})) trace::record(std::move(span));
    live->stuck_reason.clear();
    live->row.status = turn.status;
    if (turn.version != 0) live->row.version = turn.version;
    live->row.next_event = turn.next_event;
    if (turn.custom_status) live->row.custom_status = *turn.custom_status;
    std::size_t start = 0;
    for (const auto& effect : computed.effects) {
        const bool starts =
            effect.command.kind == EventKind::child_scheduled || effect.command.kind == EventKind::detach_scheduled;
        if (starts) {
            const auto i = start++;
            started(live, effect, turn.starts[i], receipt.starts[i]);
        } else if (effect.execution == live->row.execution && !is_finished(turn.status)) {
            release(live, effect);
        }
    }
    if (is_finished(turn.status)) {
        count_end(live->row, turn.status);
        Json fields = {{"orchestration", turn.id},
                       {"name", live->row.name},
                       {"status", enum_name(turn.status)},
                       {"execution", turn.execution},
                       {"code", turn.error.is_object() ? turn.error.value("code", "") : ""}};
        correlate(fields, live->row.tags);
        log::write(log::Level::info, "orchestration.finished", fields);
        const bool late = !live->arrivals.empty();
        ended_[turn.key] = turn.execution;
        readings_.when_ended([this, key = turn.key, execution = turn.execution] {
            const auto ended = ended_.find(key);
            if (ended != ended_.end() && ended->second == execution) ended_.erase(ended);
        });
        forget(live);
        if (late) {  // it may be meant for the next one of this id: another reading tells
            inbox_due_ = true;
            inbox_wake_.wake();
        }
        if (on_finished) on_finished(row_at_end(live->row, turn, clock_.now()), !live->nudged);
        return;
    }
    if (options_.evict_every_turn || live_.size() > options_.live_max) evict(live);
    // One that was resumed may have something to take up.
    if (!live->arrivals.empty() || live->recovering) schedule(live);
}

}  // namespace toygres::runtime
