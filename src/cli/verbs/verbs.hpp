// The verbs that talk to a server: what each is given, and what it does. All throw ErrorException; else they return
// the exit code of the process.
#pragma once
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
    bool wait;
    std::chrono::milliseconds timeout;
    std::string idempotency_key;  // empty: a new one
};
int create(Session& session, const CreateOptions& options);

struct ListOptions {
    std::string state;
    std::string health;
    std::string prefix;
    bool include_deleted;
};
int list(Session& session, const ListOptions& options);

struct GetOptions {
    std::string name;
    bool include_deleted;
};
int get(Session& session, const GetOptions& options);

struct DeleteOptions {
    std::string name;
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
    bool wait;
    std::chrono::milliseconds timeout;
};
int operation(Session& session, const OperationOptions& options);

struct OrchestrationListOptions {
    std::string name;
    std::string status;
    std::string id_prefix;
    int limit;
};
int list_orchestrations(Session& session, const OrchestrationListOptions& options);

struct OrchestrationShowOptions {
    std::string id;
    bool history;
    int execution;  // 0: the current one
};
int show_orchestration(Session& session, const OrchestrationShowOptions& options);

struct SignalOptions {
    std::string id;
    std::string name;
    std::string payload;  // JSON; empty: none
    std::string dedup_key;
};
int signal_orchestration(Session& session, const SignalOptions& options);

struct CancelOptions {
    std::string id;
    std::string reason;
};
int cancel_orchestration(Session& session, const CancelOptions& options);

int version(Session& session);

// All pages of a list joined: {key: [...]}.
Json all_pages(Session& session, const std::string& target, const std::string& key, int limit = 0);

}  // namespace toygres::cli
