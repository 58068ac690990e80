// An open orchestration in the memory of its owner.
#pragma once
#include "runtime/core/registry.hpp"
#include "runtime/host/activity_run.hpp"
#include "runtime/host/timer_queue.hpp"
#include "runtime/store/records.hpp"

#include <deque>
#include <map>
#include <memory>

namespace toygres::runtime {

// What is asked of an orchestration beside what its code gets to see as an event.
// `park`: what it started cannot be run by this release; the event's payload is the error.
enum class Order { none, terminate, pause, resume, query, update, park };

// Something that happened to an orchestration and is not recorded yet.
struct Arrival {
    Event event;
    std::int64_t message_id = 0;  // inbox row to consume with it; 0: none
    std::int64_t execution = 0;   // for which it is meant; 0: whichever runs
    Order order = Order::none;
    std::chrono::milliseconds waited{0};  // a timer's whole time

    bool is_question() const { return order == Order::query || order == Order::update; }
};

enum class LiveState {
    idle,        // waits for an arrival
    scheduled,   // a turn will be computed
    loading,     // its history is being read
    committing,  // a turn is on its way to the database
};

struct Child {
    std::string id;
    bool abandoned;  // by its close policy: it lives on when nobody waits for it any more
};

struct Live {
    OrchestrationRow row;
    int shard;
    const OrchestrationType* type = nullptr;
    std::unique_ptr<Execution> execution{};  // none: not started, or evicted
    LiveState state = LiveState::idle;
    bool dropped = false;     // no longer ours: nothing it does counts
    bool recovering = false;  // open commands of a former owner are yet to be taken up
    bool nudged = false;      // a client of this process sent something to its id
    std::string stuck_reason{};
    std::deque<Arrival> arrivals{};
    std::map<std::int64_t, std::shared_ptr<ActivityRun>> activities{};
    std::map<std::int64_t, TimerQueue::Id> timers{};
    std::map<std::int64_t, int> steps{};       // running steps
    std::map<std::int64_t, Child> children{};  // by the position of the command
};

Child child_of(const Event& command);
// The dedup key of a cancellation that the parent of `command` sends to the child which the command started.
std::string cancel_key(const Parent& command);

using LivePtr = std::shared_ptr<Live>;

}  // namespace toygres::runtime
