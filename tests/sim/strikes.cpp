// What the faults of a storm do to a simulation.
#include "simulation.hpp"

namespace toygres::sim {

using namespace std::chrono_literals;

void Simulation::kill(int slot, milliseconds until_restart) {
    db_.timeline.after(until_restart, [this, slot] { start_process(slot); });
}

void Simulation::strike(const Blow& blow) {
    auto* process = process_in(blow.slot);
    const auto later = [&](std::function<void()> action) { db_.timeline.after(blow.lasts, std::move(action)); };
    switch (blow.trouble) {
        case Trouble::database_away:
            return weather_for(&Weather::away, blow.lasts, "is away");
        case Trouble::read_only:
            return weather_for(&Weather::read_only, blow.lasts, "is read-only");
        case Trouble::slow:
            return weather_for(&Weather::slow, blow.lasts, "is slow");
        default:
            break;
    }
    if (process == nullptr) return;
    switch (blow.trouble) {
        case Trouble::kill:
            if (process->state == Process::State::frozen)
                process->kill();
            else
                process->doom = blow.handlers;
            return later([this, slot = blow.slot] { start_process(slot); });
        case Trouble::freeze:
            if (process->state == Process::State::frozen) return;
            db_.trace.add(process->name, "is frozen");
            process->state = Process::State::frozen;
            return later([this, process] {
                if (process->state != Process::State::frozen) return;
                db_.trace.add(process->name, "thaws");
                process->state = Process::State::running;
            });
        case Trouble::stop:
            if (process->stopping) return;
            process->stop();
            return later([this, slot = blow.slot] { start_process(slot); });
        case Trouble::break_session:
            db_.trace.add(process->name, "loses its session");
            return process->store.break_session();
        case Trouble::step_clock:
            db_.trace.add(process->name, fmt::format("has its clock set by {} ms", blow.lasts.count()));
            return process->clock.step(blow.lasts);
        default:
            return;
    }
}

void Simulation::weather_for(bool Weather::* what, milliseconds time, std::string_view name) {
    db_.trace.add("database", name);
    db_.weather.*what = true;
    db_.timeline.after(time, [this, what] { db_.weather.*what = false; });
}

// From here on nothing goes wrong any more, and what was begun has to come to its end.
void Simulation::calm() {
    db_.trace.add("storm", "is over");
    db_.weather.calm();
    for (int i = 0; i < slots_; ++i) {
        auto* process = process_in(i);
        if (process == nullptr) {
            start_process(i);
            continue;
        }
        process->doom = -1;
        if (process->state == Process::State::frozen) process->state = Process::State::running;
    }
}

}  // namespace toygres::sim
