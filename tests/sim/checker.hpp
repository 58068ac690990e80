// The judge of a run. It sees what the database accepts, in the order in which it does, and what processes set in
// motion, and keeps a model of its own; the first thing that must not be is kept, in words.
#pragma once
#include "runtime/core/event.hpp"
#include "runtime/host/activity_context.hpp"
#include "runtime/store/records.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>

namespace toygres::sim {

using namespace toygres::runtime;
using runtime::Event;  // not the one of base/event.hpp

// The first broken check: which one, and what was seen.
struct Broken {
    std::string check;
    std::string words;
};

class Checker {
  public:
    // --- what the database did -----------------------------------------------------------------------------------
    void claimed(std::int64_t worker, const std::vector<ShardEpoch>& shards);
    void released(std::int64_t worker, const std::vector<int>& shards);
    void started(const StartRequest& request, const StartOutcome& outcome);
    // `inbox` is what it held before.
    void committed(const Fence& fence, const std::vector<Turn>& turns, const CommitReceipt& receipt,
                   const std::vector<Message>& inbox);
    void step_took_effect(const Fence& fence, const Message& completion);

    // --- what processes did --------------------------------------------------------------------------------------
    void step_begun(const Message& completion);
    // The number of this run; its result carries it.
    int activity_begun(const ActivityContext& activity, std::string_view name, std::int64_t worker);
    void announced(const std::string& orchestration);

    // --- at the end ----------------------------------------------------------------------------------------------
    void stored(const OrchestrationRow& row, std::int64_t execution, const std::vector<std::string>& turns);
    std::size_t effects_of(const std::string& orchestration) const;

    void breaks(std::string check, std::string words);
    const std::optional<Broken>& broken() const { return broken_; }
    // How far the clocks of processes may be apart.
    std::chrono::milliseconds clock_error{0};

  private:
    struct Command {
        Event event;
        bool answered = false;
        bool dropped = false;
    };
    using Place = std::pair<std::int64_t, std::int64_t>;  // execution, position
    // An orchestration as its record tells it.
    struct Story {
        std::string id;
        std::int64_t key = 0;
        std::int64_t execution = 0;
        std::int64_t next = 1;
        bool continued = false;  // the next event begins another execution
        std::optional<Event> end{};
        std::optional<Parent> parent{};
        bool detached = false;
        std::map<Place, Command> commands{};
        std::set<std::string> signals{};
        std::set<std::string> updates{};                 // that changed it
        std::map<std::int64_t, std::int64_t> lengths{};  // events by execution
    };
    struct Run {
        std::string orchestration;
        Place place;
        std::int64_t worker;
        std::int64_t epoch;  // in which its process owned the shard
    };

    bool require(bool holds, std::string_view check, const std::string& words) {
        if (!holds) breaks(std::string(check), words);
        return holds;
    }
    void check_fence(const Fence& fence, const std::string& orchestration);
    void take(const Fence& fence, const Turn& turn);
    void take(const Fence& fence, Story& story, const HistoryRow& row);
    void take(const Fence& fence, Story& story, std::int64_t position, const Event& event);
    void take_arrival(const Fence& fence, Story& story, const Event& event);
    void check_activity(const Fence& fence, const Story& story, const Event& event);
    void check_step(const Story& story, const Event& event);
    void check_child(const Story& story, const Command& command, const Event& event);
    void check_signal(Story& story, const Event& event);
    void check_row(const Turn& turn);
    void check_message(const Turn& turn, const Message& message);
    void check_start(const Turn& turn, const StartRequest& start);
    void check_consumed(const Turn& turn, const std::vector<Message>& inbox);
    const Command* find(const std::string& orchestration, Place place) const;

    std::map<int, ShardEpoch> owners_;                              // by shard
    std::map<int, std::int64_t> owner_of_;                          // shard -> worker
    std::map<std::pair<std::int64_t, int>, std::int64_t> granted_;  // worker, shard -> last epoch
    std::map<std::string, Story> stories_;                          // by id
    std::map<std::pair<std::string, Place>, int> effects_;          // of steps, that took place
    std::map<int, Run> runs_;
    std::set<std::string> ended_;     // at least once
    std::set<std::string> answered_;  // names of requests
    std::optional<Broken> broken_;
};

}  // namespace toygres::sim
