#include "simulation.hpp"

#include "runtime/core/planted.hpp"

namespace toygres::sim {

using namespace std::chrono_literals;

namespace {

constexpr milliseconds patience = 10min;  // after the storm

HostOptions draw_options(Random random, bool faults) {
    HostOptions out;
    if (!faults) return out;
    out.evict_every_turn = random.chance(250);
    if (random.chance(250)) out.live_max = 3;
    if (random.chance(250)) out.activities_max = out.heavy_activities_max = 2;
    return out;
}

}  // namespace

Simulation::Simulation(std::uint64_t seed, RunOptions options)
    : seed_(seed),
      options_(options),
      db_(random("weather"), options.lines_kept),
      schedule_(random("schedule")),
      processes_random_(random("processes")),
      host_options_(draw_options(random("options"), options.faults)),
      slots_(options.faults ? random("slots").between(2, 3) : 1),
      users_(db_, random("users"), draw_wishes(random("wishes"))),
      in_slot_(static_cast<std::size_t>(slots_)) {}

Process* Simulation::process_in(int slot) {
    auto* process = in_slot_[static_cast<std::size_t>(slot)];
    return process != nullptr && process->state != Process::State::dead ? process : nullptr;
}

void Simulation::start_process(int slot) {
    if (process_in(slot) != nullptr) return;
    const auto name = fmt::format("p{}", processes_.size() + 1);
    auto options = host_options_;
    options.name = name;
    processes_.push_back(
        std::make_unique<Process>(name, db_, workload_, std::move(options), Random(processes_random_.next(), name)));
    in_slot_[static_cast<std::size_t>(slot)] = processes_.back().get();
    processes_.back()->start();
}

RunReport Simulation::run() {
    for (int i = 0; i < slots_; ++i) db_.timeline.after(milliseconds(i * 700), [this, i] { start_process(i); });
    users_.begin();
    if (options_.faults) {
        db_.weather.worsen();
        for (const auto& blow : draw_storm(random("storm"), slots_)) {
            if (blow.trouble == Trouble::step_clock) db_.checker.clock_error += std::chrono::abs(blow.lasts);
            db_.timeline.after(blow.at, [this, blow] { strike(blow); });
        }
        db_.timeline.after(storm_ends, [this] { calm(); });
    }
    if (until([this] { return settled(); }, patience, "every orchestration ends") && stop_all()) check_end();
    RunReport out{.broken = db_.checker.broken(), .digest = db_.trace.digest(), .lines = db_.trace.count()};
    for (const auto& row : db_.rows())
        out.outcomes[row.id] = {enum_name(row.status), row.output,
                                row.error.is_object() ? row.error.value("code", "") : "", row.custom_status,
                                db_.checker.effects_of(row.id)};
    out.last_lines.assign(db_.trace.last().begin(), db_.trace.last().end());
    return out;
}

bool Simulation::until(const std::function<bool()>& condition, milliseconds limit, const std::string& hope) {
    const auto deadline = std::max(db_.timeline.elapsed(), options_.faults ? storm_ends : 0ms) + limit;
    while (!condition()) {
        if (db_.checker.broken()) return false;
        if (db_.timeline.elapsed() > deadline) {
            db_.checker.breaks(hope, what_is_left());
            return false;
        }
        if (run_one_handler()) continue;
        if (!db_.timeline.advance()) {
            db_.checker.breaks(hope, "nothing is left that could happen; " + what_is_left());
            return false;
        }
        ready_.clear();
        ready_.push_back(&users_);
        for (const auto& process : processes_)
            if (process->runs()) ready_.push_back(process.get());
    }
    return !db_.checker.broken();
}

// One handler of one of those that have any, which one is for the seed to say.
bool Simulation::run_one_handler() {
    while (!ready_.empty()) {
        const auto i = static_cast<std::size_t>(schedule_.between(0, static_cast<int>(ready_.size()) - 1));
        auto* actor = ready_[i];
        if (actor->runs() && actor->run_one()) {
            auto* process = dynamic_cast<Process*>(actor);
            if (process != nullptr && process->doom >= 0 && process->doom-- == 0) process->kill();
            return true;
        }
        ready_.erase(ready_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    return false;
}

// Looks twice a second: nothing is open, nothing in the inbox, and the users have had their answers.
bool Simulation::settled() {
    const auto now = db_.timeline.elapsed();
    if (looked_at_ && now < *looked_at_ + 500ms) return false;
    looked_at_ = now;
    if (!users_.satisfied() || (options_.faults && now < storm_ends)) return false;
    return std::ranges::all_of(db_.rows(), [](const auto& row) { return row.finished_at.has_value(); }) &&
           db_.inbox().empty();
}

bool Simulation::stop_all() {
    for (int i = 0; i < slots_; ++i)
        if (auto* process = process_in(i); process != nullptr && !process->stopping) process->stop();
    return until(
        [this] {
            return std::ranges::all_of(in_slot_,
                                       [](const auto* p) { return p == nullptr || p->state == Process::State::dead; });
        },
        60s, "a process that is asked to stop ends");
}

std::string Simulation::what_is_left() {
    std::string out;
    for (const auto& row : db_.rows())
        if (!row.finished_at)
            out += fmt::format("{} is {} before event {}; ", row.id, enum_name(row.status), row.next_event);
    for (const auto& message : db_.inbox())
        out += fmt::format("a {} for {} is in the inbox; ", enum_name(message.kind), message.orchestration);
    for (const auto* process : in_slot_)
        if (process != nullptr && process->state != Process::State::dead) out += process->name + " lives; ";
    return out;
}

void Simulation::check_end() {
    for (const auto& row : db_.rows())
        for (std::int64_t execution = 1; execution <= row.execution; ++execution)
            db_.checker.stored(row, execution, db_.now(db_.inspector.load_history(row.key, execution)));
}

// What bears a '~' ends as time will have it.
RunReport run_seed(std::uint64_t seed, RunOptions options) {
    const auto fault = std::exchange(planted_fault, Fault::none);
    const auto hoped = Simulation(seed, {.faults = false, .lines_kept = options.lines_kept}).run();
    planted_fault = fault;
    if (hoped.broken) return hoped;
    auto out = Simulation(seed, options).run();
    if (out.broken) return out;
    for (const auto& [id, outcome] : hoped.outcomes) {
        const auto found = out.outcomes.find(id);
        if (id.contains('~') || (found != out.outcomes.end() && found->second == outcome)) continue;
        out.broken = Broken{"every orchestration ends as it does without faults",
                            fmt::format("{} should be {} and is {}", id, encode(outcome).dump(),
                                        found == out.outcomes.end() ? "not there" : encode(found->second).dump())};
        break;
    }
    return out;
}

}  // namespace toygres::sim
