// The verbs that talk to a server: what each is given, and what it does. All throw ErrorException; else they return
// the exit code of the process.
#pragma once
#include "cli/launcher.hpp"
#include "cli/session.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace toygres::cli {

struct CreateOptions {
    std::string name;
    std::optional<std::string> password;
    bool password_stdin;
    bool password_prompt;
    std::optional<std::string> version;
    std::optional<int> storage_gb;
    std::optional<std::string> check_interval;
    bool internal;
    std::vector<std::string> tags;  // "key=value"
    bool no_replication;
    std::optional<std::string> replication_mode;
    std::optional<int> standbys;
    std::optional<std::string> durability;
    std::optional<std::string> spread;
    bool spread_required;
    std::optional<std::string> priority_class;
    std::optional<std::string> cpu;
    std::optional<std::string> cpu_limit;
    std::optional<std::string> memory;
    std::optional<std::string> memory_limit;
    std::optional<std::string> storage_class;
    std::vector<std::string> pod_annotations;      // "key=value"
    std::vector<std::string> service_annotations;  // "key=value"
    std::vector<std::string> source_ranges;
    bool wait;
    std::chrono::milliseconds timeout;
    std::string idempotency_key;  // empty: a new one
};
int create(Session& session, const CreateOptions& options);

struct ListOptions {
    std::string state;
    std::string health;
    std::string name;  // "web-*"
    std::string prefix;
    std::vector<std::string> tags;    // "team=web", "spare"
    std::string sort;                 // "name", "-created_at"
    std::vector<std::string> fields;  // columns; none: the usual ones
    bool include_deleted;
    bool watch;
};
int list(Session& session, const ListOptions& options);

struct GetOptions {
    std::string name;
    bool include_deleted;
    bool watch;
};
int get(Session& session, const GetOptions& options);

struct ReplicationOptions {
    std::string name;
    std::string target;
    std::string reason;
    std::optional<std::string> handover_timeout;
    std::string old_primary_action;
    bool force;
    bool allow_data_loss;
    bool dry_run;
    bool wait_for_sync;
    std::optional<std::string> sync_timeout;
    std::optional<std::string> mode;
    std::optional<std::string> durability;
    std::optional<std::string> zone;
    std::optional<std::int64_t> max_lag_bytes;
    std::vector<std::string> policy;  // "cooldown=10m"
    bool all;
    bool yes;
    bool wait;
    std::chrono::milliseconds timeout;
};
int replication_status(Session& session, const ReplicationOptions& options);
int switchover(Session& session, const ReplicationOptions& options);
int failover(Session& session, const ReplicationOptions& options);
int promote(Session& session, const ReplicationOptions& options);
int resync(Session& session, const ReplicationOptions& options);
int hold(Session& session, const ReplicationOptions& options);
int resume(Session& session, const ReplicationOptions& options);
int list_replicas(Session& session, const ReplicationOptions& options);
int add_replica(Session& session, const ReplicationOptions& options);
int remove_replica(Session& session, const ReplicationOptions& options);
int verify(Session& session, const ReplicationOptions& options);
int configure(Session& session, const ReplicationOptions& options);
int pause_failover(Session& session, const ReplicationOptions& options);
int unpause_failover(Session& session, const ReplicationOptions& options);
// The lines of "get" and of "replication status".
std::string replication_section(const Console& console, const Json& replication);

struct SetOwnerOptions {
    std::string name;
    std::string owner;
};
int set_owner(Session& session, const SetOwnerOptions& options);

struct TagOptions {
    std::string name;
    std::vector<std::string> changes;  // KEY=VALUE sets one, KEY- takes it away
};
int tag(Session& session, const TagOptions& options);

struct DeleteOptions {
    std::vector<std::string> names;
    bool yes;
    bool wait;
    std::chrono::milliseconds timeout;
    std::string idempotency_key;
};
int remove(Session& session, const DeleteOptions& options);

struct ConnectOptions {
    std::string name;
    bool print;
    std::vector<std::string> psql_arguments;
};
// Becomes psql; returns only when it prints in place of that.
int connect(Session& session, const ConnectOptions& options);

struct RotatePasswordOptions {
    std::string name;
    bool wait;
    std::chrono::milliseconds timeout;
    std::string idempotency_key;  // empty: a new one
};
int rotate_password(Session& session, const RotatePasswordOptions& options);

struct LogsOptions {
    std::string name;
    bool follow;
    bool previous;
    bool timestamps;
    int tail;
    int member;
};
int logs(Session& session, const LogsOptions& options);

struct EventsOptions {
    std::string name;
    bool follow;
    int limit;
};
int events(Session& session, const EventsOptions& options);

struct OperationOptions {
    std::string id;  // empty or "list": all
    std::string instance;
    std::string state;
    std::string sort;  // as the API has it
    bool wait;
    std::chrono::milliseconds timeout;
};
int operation(Session& session, const OperationOptions& options);

struct OrchestrationListOptions {
    std::string name;
    std::string status;
    std::string id_prefix;
    std::vector<std::string> tags;    // "name=value"
    std::chrono::milliseconds since;  // 0: whenever
    int limit;
};
int list_orchestrations(Session& session, const OrchestrationListOptions& options);
int count_orchestrations(Session& session, const OrchestrationListOptions& options);

struct OrchestrationShowOptions {
    std::string id;
    bool history;   // every event as it is stored, instead of what it did
    bool all;       // also the middle of a long one
    int execution;  // 0: the current one
};
int show_orchestration(Session& session, const OrchestrationShowOptions& options);

struct StartOptions {
    std::string type;
    std::string id;
    std::string input;              // JSON; empty: none
    std::string on_conflict;        // as the API names it; empty: its default
    std::vector<std::string> tags;  // "name=value"
    std::string request_id;
};
int start_orchestration(Session& session, const StartOptions& options);

struct SignalOptions {
    std::string id;
    std::string name;
    std::string payload;  // JSON; empty: none
    std::string dedup_key;
    std::string start;  // type of what is started, unless it runs; empty: nothing
    std::string input;  // of that, JSON; empty: none
    bool replace;       // also when one has ended
};
int signal_orchestration(Session& session, const SignalOptions& options);

struct QuestionOptions {
    std::string id;
    std::string name;
    std::string input;       // JSON; empty: none
    std::string request_id;  // of an update
};
// Print the answer as JSON.
int query_orchestration(Session& session, const QuestionOptions& options);
int update_orchestration(Session& session, const QuestionOptions& options);

struct CancelOptions {
    std::string id;
    std::string reason;
};
int cancel_orchestration(Session& session, const CancelOptions& options);

struct TerminateOptions {
    std::string id;
    std::string reason;
    bool yes;
};
int terminate_orchestration(Session& session, const TerminateOptions& options);

struct OrderOptions {
    std::string id;
    std::string order;  // "pause", "resume" or "retry"
};
int order_orchestration(Session& session, const OrderOptions& options);

struct ResetOptions {
    std::string id;
    int event;
};
int reset_orchestration(Session& session, const ResetOptions& options);

struct ScheduleOptions {
    std::string name;
    // Of "create" and "change", as the API takes them.
    std::optional<std::string> cron;
    std::optional<std::string> zone;
    std::optional<std::string> type;
    std::optional<std::string> input;  // JSON
    std::optional<std::string> overlap;
    std::optional<std::string> catch_up;
    std::optional<std::string> jitter;
    std::optional<std::string> note;  // of "pause" and "resume", too
    bool paused;
    std::string order;  // "pause", "resume" or "trigger"
    bool yes;
};
int create_schedule(Session& session, const ScheduleOptions& options);
int list_schedules(Session& session, const ScheduleOptions& options);
int show_schedule(Session& session, const ScheduleOptions& options);
int change_schedule(Session& session, const ScheduleOptions& options);
int order_schedule(Session& session, const ScheduleOptions& options);
int delete_schedule(Session& session, const ScheduleOptions& options);

int create_token(Session& session, const TokenOptions& options);
int list_tokens(Session& session, const TokenOptions& options);
int revoke_token(Session& session, const TokenOptions& options);

struct AuditOptions {
    std::string caller;
    std::string action;
    std::string object;
    std::string outcome;
    int limit;  // 0: all
};
int audit(Session& session, const AuditOptions& options);

int version(Session& session);

// Looks whether all that a user's command needs is as it should be, as far as the server: 0 unless a check failed.
int doctor(Session& session);

struct LoginOptions {
    std::string url;
    std::string name;  // of the context; empty: the URL's host
    bool token_stdin;
};
// Tries the token, and keeps it as a context, which is the current one from then on.
int login(Console& console, const LoginOptions& options, const ConnectionFlags& flags);
int list_contexts(Console& console, Format format);
int use_context(Console& console, const std::string& name);
int delete_context(Console& console, const std::string& name);

struct DriftOptions {
    bool repair;
    bool yes;
    bool remove_volumes;
    std::string grace;  // "10m"; empty: the server's
};
// What cluster and CMS differ in; with `repair` it is mended, once that is confirmed.
int drift(Session& session, const DriftOptions& options);

struct StatsOptions {
    bool watch;
};
int stats(Session& session, const StatsOptions& options);

struct LogLevelOptions {
    std::string level;  // empty: show it
};
int log_level(Session& session, const LogLevelOptions& options);

// All pages of a list joined: {key: [...]}.
Json all_pages(Session& session, const std::string& target, const std::string& key, int limit = 0);

}  // namespace toygres::cli
