// What the store keeps, as values.
#pragma once
#include "base/json.hpp"
#include "runtime/core/policy.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace toygres::runtime {

inline constexpr int shard_count = 64;
int shard_of(std::string_view orchestration);

enum class Status : std::uint8_t { pending, running, completed, failed, cancelled, terminated, stuck, paused };
BOOST_DESCRIBE_ENUM(Status, pending, running, completed, failed, cancelled, terminated, stuck, paused)
constexpr bool is_finished(Status s) {
    return s == Status::completed || s == Status::failed || s == Status::cancelled || s == Status::terminated;
}

// The command that started an orchestration.
struct Parent {
    std::string id;
    std::int64_t execution;
    std::int64_t event;
    bool operator==(const Parent&) const = default;
};
BOOST_DESCRIBE_STRUCT(Parent, (), (id, execution, event))

struct OrchestrationRow {
    std::int64_t key;
    std::string id;
    std::string name;
    std::optional<int> version;  // none before the first turn
    std::int64_t execution;
    Status status;
    std::optional<Parent> parent;
    bool detached;
    Json input;
    Json output;
    Json error;
    Json custom_status;
    Json tags;
    std::int64_t next_event;
    Timestamp created_at;
    Timestamp updated_at;
    std::optional<Timestamp> finished_at;
};
BOOST_DESCRIBE_STRUCT(OrchestrationRow, (),
                      (key, id, name, version, execution, status, parent, detached, input, output, error, custom_status,
                       tags, next_event, created_at, updated_at, finished_at))

enum class MessageKind : std::uint8_t {
    start,
    signal,
    cancel,
    terminate,
    child_completed,
    child_failed,
    step_completed,
    pause,
    resume,
    query,
    update
};
BOOST_DESCRIBE_ENUM(MessageKind, start, signal, cancel, terminate, child_completed, child_failed, step_completed, pause,
                    resume, query, update)

// Before the dedup keys of signals, which their senders choose: so none is one of the runtime's own.
inline constexpr std::string_view signal_key_prefix = "signal/";

// Before the dedup keys of queries and updates: the id of the request follows.
inline constexpr std::string_view request_key_prefix = "request/";

struct Message {
    std::int64_t id = 0;  // given by the store
    std::string orchestration;
    MessageKind kind;
    std::int64_t execution = 0;  // of the receiver; 0: whichever is current
    std::int64_t event = 0;      // the command that is answered
    std::string name{};          // of a signal, query or update
    Json payload{};
    std::string dedup_key{};
};

struct StartRequest {
    std::string id;
    std::string name;
    Json input;
    OnConflict on_conflict = OnConflict::fail;
    std::optional<Parent> parent{};
    bool detached = false;
    Json tags = Json::object();
    std::string request{};  // a start with the same id and request is the same start: asking again does no harm
};

struct StartOutcome {
    bool created;          // false: the id was taken
    bool by_this_command;  // the row that exists was started by the same parent command
    std::int64_t key;
    std::int64_t start_message;  // inbox id when created
    Status status;
    bool repeated = false;  // it is there by the same request
};

struct HistoryRow {
    std::int64_t execution;
    std::int64_t first_event;
    std::string events;
};

// What came of a query or an update: {"output": …} or {"error": …}.
struct Answer {
    std::string request;
    Json answer;
};
// For all orchestrations: who waits for the answer waits for this.
std::string request_name(const std::string& orchestration, const std::string& request);

// What one turn of one orchestration adds.
struct Turn {
    std::int64_t key = 0;  // 0: nothing but consumed messages and answers
    std::string id;
    std::vector<HistoryRow> rows;
    int version = 0;
    std::int64_t execution = 0;
    std::int64_t next_event = 1;
    Status status = Status::running;
    Json output{};
    Json error{};
    std::optional<Json> custom_status{};  // none: unchanged
    std::optional<Json> input{};          // of the next execution
    std::vector<std::int64_t> consumed;   // inbox ids
    std::vector<Message> messages;
    std::vector<StartRequest> starts;
    std::vector<Answer> answers{};

    std::size_t bytes() const;
};

// Begins an orchestration that has ended again, as a new execution with a history of its own.
struct Reset {
    std::int64_t key = 0;
    std::string id;
    std::int64_t execution = 0;    // that ended; it stays as it was
    std::vector<HistoryRow> rows;  // of the new one: what is kept of it
    std::int64_t next_event = 1;
    Json custom_status{};
    std::vector<Message> signals;        // and updates that were recorded later, in order: they are sent again
    std::vector<std::int64_t> children;  // commands whose answer is open: what their children do counts for the new one
    std::vector<Reset> of_children;      // those that begin again from a point of their own
};
// conflict/"orchestration_changed".
Error orchestration_changed(const std::string& id);
// conflict/"orchestration_finished".
Error orchestration_finished(const std::string& id);
// conflict/"children_running".
Error children_running(const std::string& id, const std::string& child);

struct CommitReceipt {
    std::vector<std::vector<std::int64_t>> message_ids;  // by turn, in the order of Turn::messages; 0: not delivered
    std::vector<std::vector<StartOutcome>> starts;       // by turn, in the order of Turn::starts
};

struct StepReceipt {
    std::int64_t message_id;
    Json output;
};

struct ShardEpoch {
    int shard;
    std::int64_t epoch;
    auto operator<=>(const ShardEpoch&) const = default;
};

struct Fence {
    std::int64_t worker;
    std::vector<ShardEpoch> shards;
};

// Names one commit of a worker: each lane commits one after the other, and its numbers rise with every commit.
struct CommitNumber {
    int lane;
    std::int64_t number;
    auto operator<=>(const CommitNumber&) const = default;
};

struct ShardView {
    int shard;
    std::int64_t owner;  // 0: nobody
    std::int64_t epoch;
    std::chrono::milliseconds lease_left;  // until anybody may have it; negative: it ran out
    bool connected;                        // the owner's session stands, or may be coming back

    bool expired() const { return lease_left < std::chrono::milliseconds(0); }
};

// An orchestration that was on trial when its owner died. `deaths`: of owners that ran nothing else, in the turn that
// it still stands at, not counting the one that made it a suspect.
struct Suspect {
    std::string orchestration;
    int deaths;
};

struct Membership {
    std::vector<ShardView> shards;
    std::vector<std::int64_t> live_workers;  // whose session stands and who renewed within the lease
};

struct OrchestrationFilter {
    std::optional<std::string> id{};
    std::optional<std::string> id_prefix{};
    std::optional<std::string> name{};
    std::optional<Status> status{};
    std::optional<Timestamp> created_after{};
    std::optional<Timestamp> created_before{};
    Json tags = Json::object();  // those that have at least these
    std::int64_t after_key = 0;  // cursor: keys below it (newest first); 0: from the newest
    int limit = 100;
};

// How many orchestrations of one type are in one status.
struct StatusCount {
    std::string name;
    Status status;
    std::int64_t count;
};
BOOST_DESCRIBE_STRUCT(StatusCount, (), (name, status, count))

// How long what orchestrations of one type recorded stays.
struct Retention {
    std::string name;            // of the type; empty: of those without a rule of their own
    int executions = 3;          // of one that goes on as new: the newest so many, the current one included
    std::chrono::minutes ended;  // after its end, all of it; not before a parent that goes on has ended too
};

// The rule for orchestrations of that type; null when there is none.
const Retention* rule_of(const std::vector<Retention>& rules, const std::string& name);

struct Pruned {
    std::int64_t turns = 0;  // of former executions
    std::int64_t orchestrations = 0;
};

}  // namespace toygres::runtime
