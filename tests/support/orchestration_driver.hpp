// Drives one orchestration by a script of answers, one operation a turn, and replays the whole history from scratch
// after each: every test of an orchestration is a test of its determinism too.
#pragma once
#include "runtime/core/execution.hpp"
#include "runtime/core/registry.hpp"
#include "support/catch.hpp"

#include <deque>
#include <functional>

namespace toygres::test {

using runtime::Event;
using runtime::EventKind;

class OrchestrationDriver {
  public:
    // The next open command of that activity or step is answered with `output`.
    template <class A> void completes(typename A::Output output) {
        script_.push_back({std::string(A::name), Json(encode(output)), false});
    }
    template <class A> void fails(Error error) {
        script_.push_back({std::string(A::name), to_json_value(error), true});
    }
    // The open timer fires.
    void fires_timer() { script_.push_back({"", Json(), false}); }
    // A cancellation arrives.
    void cancels(std::string reason) { script_.push_back({"cancel", Json(std::move(reason)), false}); }
    // The open detached start or child is accepted.
    void accepts_start() { script_.push_back({"start", Json(), false}); }

    // Runs O to the end of the script.
    template <class O> void run(typename O::Input input) {
        runtime::OrchestrationRegistry registry;
        registry.add<O>();
        type_ = *registry.latest(O::name);
        fresh(execution_);
        arrive({.kind = EventKind::started, .payload = encode(input)});
        for (const auto& step : script_) {
            if (ended() && may_end_early_) break;
            answer(step);
        }
    }
    // The script is longer than the orchestration.
    void may_end_early() { may_end_early_ = true; }

    bool ended() const { return execution_->terminal().has_value(); }
    EventKind ended_as() const {
        REQUIRE(ended());
        return execution_->terminal()->kind;
    }
    Error error() const {
        REQUIRE(ended_as() == EventKind::failed);
        return error_from_json(execution_->terminal()->payload);
    }
    template <class O> typename O::Output output() const {
        REQUIRE(ended_as() == EventKind::completed);
        return decode<typename O::Output>(execution_->terminal()->payload);
    }
    template <class O> typename O::Input next_input() const {
        REQUIRE(ended_as() == EventKind::continued_as_new);
        return decode<typename O::Input>(execution_->terminal()->payload);
    }
    // The input with which an activity or step was called last.
    template <class A> typename A::Input recorded() const {
        for (auto it = history.rbegin(); it != history.rend(); ++it)
            if (it->name == A::name && !is_arrival(it->kind)) return decode<typename A::Input>(it->payload);
        FAIL("never called: " << A::name);
        std::abort();
    }
    template <class A> int calls() const {
        return static_cast<int>(
            std::ranges::count_if(history, [](const Event& e) { return e.name == A::name && !is_arrival(e.kind); }));
    }

    std::vector<Event> history;

  private:
    struct Answer {
        std::string name;
        Json payload;
        bool failure;
    };

    void fresh(std::unique_ptr<runtime::Execution>& out) {
        out = std::make_unique<runtime::Execution>(type_, runtime::Identity{"test", 1, 1});
    }

    void arrive(Event event) {
        clock_ += std::chrono::milliseconds(1);
        event.at = clock_;
        INFO("arrival " << runtime::describe(event));
        REQUIRE(execution_->deliver(event));
        for (auto& e : execution_->take_new_events()) history.push_back(std::move(e));
        std::unique_ptr<runtime::Execution> again;
        fresh(again);
        const auto replayed = again->replay(history);
        INFO((replayed ? std::string() : replayed.error().message));
        REQUIRE(replayed);
        execution_ = std::move(again);
    }

    void answer(const Answer& step) {
        if (step.name == "cancel") return arrive({.kind = EventKind::cancel_requested, .payload = step.payload});
        for (const auto& [position, open] : execution_->open()) {
            const auto kind = open.command.kind;
            if (open.result) continue;
            if (step.name.empty() && kind == EventKind::timer_created) {
                clock_ = std::max(clock_, open.command.at);
                return arrive({.kind = EventKind::timer_fired, .of = position});
            }
            if (step.name == "start" && kind == EventKind::detach_scheduled)
                return arrive({.kind = EventKind::detach_accepted, .of = position});
            if (open.command.name != step.name) continue;
            const bool activity = kind == EventKind::activity_scheduled;
            return arrive({.kind = activity
                                       ? (step.failure ? EventKind::activity_failed : EventKind::activity_completed)
                                       : (step.failure ? EventKind::step_failed : EventKind::step_completed),
                           .of = position,
                           .payload = step.payload});
        }
        FAIL("nothing open answers to '" << step.name << "' after "
                                         << (history.empty() ? "" : runtime::describe(history.back())));
    }

    runtime::OrchestrationType type_;
    std::deque<Answer> script_;
    bool may_end_early_ = false;
    std::unique_ptr<runtime::Execution> execution_;
    Timestamp clock_{std::chrono::seconds(1'700'000'000)};
};

}  // namespace toygres::test
