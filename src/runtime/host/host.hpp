// A process of the runtime: owns shards, runs the turns of their orchestrations, commits them, and only then lets their
// effects out. Single-threaded: everything happens on one io_context.
#pragma once
#include "runtime/core/registry.hpp"
#include "runtime/host/activity_context.hpp"
#include "runtime/host/activity_lane.hpp"
#include "runtime/host/committer.hpp"
#include "runtime/host/live.hpp"
#include "runtime/host/readings.hpp"
#include "runtime/host/timer_queue.hpp"
#include "runtime/store/store.hpp"

#include <memory>
#include <set>
#include <unordered_map>
#include <unordered_set>

namespace toygres::runtime {

struct HostOptions {
    std::string name = "toygres";
    std::chrono::milliseconds lease{9'000};
    std::chrono::milliseconds renewal{3'000};
    std::chrono::milliseconds inbox_poll{2'000};  // the net under the notices; jittered
    std::size_t activities_max = 256;             // ordinary ones that run at once; more wait in order
    std::size_t heavy_activities_max = 8;         // the same of heavy ones
    std::function<bool()> callers_wait{};         // for what this process does otherwise: one heavy at a time meanwhile
    bool evict_every_turn = false;                // test mode: every turn replays its history
    std::size_t live_max = 20'000;                // executions kept in memory; more are evicted when idle
    std::uint64_t shadow_percent = 1;             // of what is evicted: replayed at once, to see whether it can be
    std::chrono::milliseconds careful{60'000};    // after taking over from one that died: see host_trials.cpp
    int deaths_max = 3;                           // of owners that ran nothing but one turn of a suspect
};

class Host {
  public:
    Host(asio::io_context& io, Store& store, Clock& clock, const OrchestrationRegistry& orchestrations,
         const ActivityRegistry& activities, const Services& services, HostOptions options);
    ~Host();
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;

    // Joins and begins to take shards. Waits for the database as long as it takes, or until stop().
    asio::awaitable<void> start();
    // Hands the shards over: commits in flight end, activities are stopped and run again by the next owner.
    asio::awaitable<void> stop();

    // As Store::start(); one of ours begins at once.
    asio::awaitable<Result<StartOutcome>> begin(StartRequest request);
    // A client of this process put something into the inbox.
    void nudge(const std::string& orchestration);
    // Called once with every orchestration that ends here: what its row says, with times of this process' clock.
    // `latest`: nothing was sent here to it meanwhile that may have begun another execution.
    std::function<void(const OrchestrationRow& row, bool latest)> on_finished;
    // Called with the request_name() of what is answered here.
    std::function<void(const std::string& name)> on_answered;

    std::size_t owned_shards() const { return owned_.size(); }
    bool has(const std::string& orchestration) const { return live_.contains(orchestration); }
    std::size_t live_count() const { return live_.size(); }
    std::size_t stuck_count() const;
    std::int64_t worker() const { return worker_; }
    // What it holds now: shards, queues, and the first so many of the orchestrations whose id begins so, each with what
    // it waits for and since when.
    Json view(const std::string& id_prefix, std::size_t most) const;
    // False while the database is away, or has not renewed the leases in time.
    bool healthy() const { return healthy_ && clock_.uptime() - renewed_at_ < options_.lease; }

  private:
    struct Effect {
        std::int64_t execution;
        std::int64_t position;
        Event command;
        Timestamp opened_at;
    };
    struct Computed {
        Turn turn;
        std::vector<Effect> effects;
        // For when the database refuses it: what it takes in, and the row before it continued as new.
        std::deque<Arrival> arrivals;
        std::optional<OrchestrationRow> before;
        std::vector<trace::Span> spans;  // of executions that ended with it
    };

    // A coroutine of its own, which stop() waits for: none outlives the host.
    void spawn(asio::awaitable<void> task);

    // ownership (host_shards.cpp)
    asio::awaitable<void> keep_shards();
    asio::awaitable<void> look_at_membership();
    asio::awaitable<void> load_shards(std::vector<ShardEpoch> claimed);
    asio::awaitable<void> release_shards(std::vector<int> shards);
    asio::awaitable<void> give_back(std::set<int> shards);
    LivePtr adopt(OrchestrationRow row);
    void drop_shard(int shard);
    void forget(const LivePtr& live);
    std::optional<ShardEpoch> epoch_of(int shard) const;
    bool still_owned(const ShardEpoch& shard) const;

    // trials (host_trials.cpp)
    void took_over_from(std::set<std::int64_t> dead);
    bool careful() const;
    asio::awaitable<void> hold_trials();
    asio::awaitable<void> count_deaths();
    std::vector<LivePtr> next_on_trial();
    asio::awaitable<void> try_together(std::vector<LivePtr> lives);
    bool quarantine(const LivePtr& live);
    asio::awaitable<void> note_trial(std::vector<std::string> ids);
    asio::awaitable<void> acquit(std::vector<std::string> ids);
    static bool quarantined(const Live& live);

    // inbox (host_inbox.cpp)
    asio::awaitable<void> listen();
    asio::awaitable<void> poll_inbox();
    asio::awaitable<void> take_inbox();
    void take_message(const Message& message);
    void deliver(const Message& message);
    void was_consumed(std::int64_t message, bool committed);
    Arrival to_arrival(const Message& message) const;
    void consume(const Message& message);
    void consume(Turn turn);
    void note_nudge(const std::string& orchestration);
    void notify(int shard);
    asio::awaitable<void> send_notices();

    // turns (host_turns.cpp)
    void post(const LivePtr& live, Arrival arrival);
    void schedule(const LivePtr& live);
    void run_turn(const LivePtr& live);
    asio::awaitable<void> load_execution(LivePtr live);
    void evict(const LivePtr& live);
    asio::awaitable<void> shadow_replay(std::string id, const OrchestrationType* type, OrchestrationRow row);
    std::optional<Computed> compute(const LivePtr& live);
    void record(Computed& out, Live& live, Execution& execution, std::int64_t first_event);
    void end_execution(Computed& out, Live& live);
    void note_end(Computed& out, const Live& live, Status status, const Json& error) const;
    void add_messages(Computed& out, Live& live, Execution& execution);
    static std::chrono::milliseconds patience_of(const Computed& computed);
    void commit(const LivePtr& live, Computed computed);
    void committed(const LivePtr& live, Computed& computed, const TurnReceipt& receipt);
    void park(const LivePtr& live, const std::string& code, const std::string& reason);
    void end_parked(const LivePtr& live);
    bool obey(const LivePtr& live);
    bool park_as_told(const LivePtr& live);
    static bool asked_to_end(const Live& live);
    bool refuse_unreadable(const LivePtr& live, Computed& out);
    static void give_back(Live& live, Computed& computed);
    static void terminate(Computed& out, const Live& live, std::int64_t position);
    static void tell_parent(Computed& out, const Live& live);
    static void cancel_child(Computed& out, const Live& live, const std::string& child, std::int64_t position);
    static void cancel_children(Computed& out, const Live& live, const Execution& execution);

    // queries and updates (host_questions.cpp)
    static Answer answer_to(const Arrival& question, const Result<Json>& outcome);
    static Answer answer(Live& live, const Arrival& question);
    void answer_at_rest(Live& live);
    void refuse_questions(Live& live, const Error& error);
    void settle_questions(Live& live, const std::function<Answer(const Arrival&)>& answer);
    void tell_askers(const std::string& id, const std::vector<Answer>& answers);

    // effects (host_effects.cpp)
    void release(const LivePtr& live, const Effect& effect);
    void take_up(const LivePtr& live);
    void started(const LivePtr& live, const Effect& effect, const StartRequest& request, const StartOutcome& outcome);
    static Arrival outcome_of(std::int64_t execution, Event event);
    void start_activity(const LivePtr& live, const Effect& effect);
    ActivityLane* lane_of(ActivityLoad load);
    void start_step(const LivePtr& live, const Effect& effect);
    asio::awaitable<void> run_step(LivePtr live, Effect effect);
    asio::awaitable<void> check_start(LivePtr live, Effect effect);
    void stop_command(Live& live, std::int64_t position);
    void stop_all(Live& live);
    StartRequest start_request(const Live& live, const Effect& effect) const;

    asio::io_context& io_;
    Store& store_;
    Clock& clock_;
    const OrchestrationRegistry& orchestrations_;
    const ActivityRegistry& activities_;
    const Services& services_;
    HostOptions options_;

    std::int64_t worker_ = 0;
    std::unique_ptr<Committer> committer_;
    TimerQueue timers_;
    std::map<int, std::int64_t> owned_;  // shard -> epoch
    std::set<int> draining_;
    std::unordered_map<std::string, LivePtr> live_;
    std::unordered_set<std::int64_t> taken_;  // inbox rows on their way into a turn
    // Of rows, by key, that readings may bring as if still open: the execution that ended.
    std::unordered_map<std::int64_t, std::int64_t> ended_;
    Readings readings_;  // of the database: they bring what was there before
    // Steps on their way: id, execution, event. They may outlive the host.
    using StepPlace = std::tuple<std::string, std::int64_t, std::int64_t>;
    std::shared_ptr<std::multiset<StepPlace>> steps_running_ = std::make_shared<std::multiset<StepPlace>>();
    std::set<int> notices_;
    bool sending_notices_ = false;
    bool inbox_due_ = false;
    ActivityLane ordinary_activities_{options_.activities_max};
    ActivityLane heavy_activities_{options_.heavy_activities_max, options_.callers_wait};
    Pause membership_wake_;
    Pause inbox_wake_;
    Pause drain_wake_;
    Pause trial_wake_;
    std::deque<LivePtr> on_trial_;                // wait for a turn of theirs
    std::map<std::string, int> suspects_;         // deaths
    std::set<std::int64_t> dead_;                 // whose last trials are yet to be counted
    std::chrono::milliseconds careful_until_{0};  // by the clock's uptime
    bool holding_trials_ = false;
    int spawned_ = 0;
    bool stopping_ = false;
    bool healthy_ = false;                     // the database answered the last renewal
    std::chrono::milliseconds renewed_at_{0};  // by the clock's uptime, when that was asked for
    std::chrono::milliseconds next_look_in_{0};
    struct {
        bool committer = false;
        bool membership = false;
        bool listener = false;
        bool inbox = false;
    } loops_;  // background coroutines that still run
};

}  // namespace toygres::runtime
