// One execution of an orchestration: its coroutine and its journal. Sans I/O: the host feeds it arrivals and takes the
// events it records; after a crash, a new one is fed the recorded history and stands where the old one stood.
#pragma once
#include "runtime/core/orchestration_context.hpp"

#include <functional>
#include <memory>

namespace toygres::runtime {

// A registered orchestration: name, version and the code.
struct OrchestrationType {
    std::string name;
    int version;
    std::function<Task<Json>(OrchestrationContext&, Json input)> run;
};

class Execution {
  public:
    Execution(const OrchestrationType& type, Identity identity);
    ~Execution();
    Execution(const Execution&) = delete;
    Execution& operator=(const Execution&) = delete;

    // Feeds the recorded history, whole and in order, to a new Execution. Error: internal/"nondeterminism" with the
    // position and the first difference in words, invalid/"bad_history", or invalid/"undecodable_payload"; the
    // Execution is of no use after that.
    Result<void> replay(std::vector<Event> history);

    // Takes in an arrival and runs the code until it waits. False: the arrival is for nobody and left no trace.
    bool deliver(Event arrival);

    // An answer from the live state, which it leaves as it is. Errors: conflict/"orchestration_finished",
    // not_found/"no_such_query", what the code raises.
    Result<Json> ask(const std::string& query, const Json& input);
    // Takes in an update_received if the code agrees, and gives what it answered. Errors: as ask(), with
    // "no_such_update"; conflict/"update_repeated". Nothing is recorded with these, nor when the code refuses it.
    Result<Json> update(const Event& arrival);

    // The events recorded since the last call, in order; the first has position next_position() before they came.
    std::vector<Event> take_new_events() { return journal_.take_new_events(); }
    std::int64_t next_position() const { return journal_.next_position(); }
    const std::map<std::int64_t, OpenCommand>& open() const { return journal_.open(); }
    // When it started, by its history.
    Timestamp began_at() const { return began_at_; }
    const std::optional<Event>& terminal() const { return journal_.terminal(); }
    const Json& status() const { return journal_.status(); }
    // Why the code cannot read its input or an answer, in words; empty when it can. Then nothing it did counts.
    const std::string& unreadable() const { return journal_.unreadable(); }

  private:
    bool take(Event& arrival);
    void start(Json input);
    void run(std::coroutine_handle<> handle);
    void finish();

    const OrchestrationType& type_;
    Journal journal_;
    Handlers handlers_;
    OrchestrationContext context_;
    Result<Json> answer_;  // of the last update
    Timestamp began_at_{};
    std::optional<Task<Json>> task_;
};

}  // namespace toygres::runtime
