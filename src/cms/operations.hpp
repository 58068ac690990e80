// Operations: the slow calls of users, each backed by an orchestration.
#pragma once
#include "pg/pool.hpp"

#include <optional>
#include <string>
#include <vector>

namespace toygres::cms {

struct Operation {
    std::string id;
    std::string kind;  // create_instance | delete_instance
    std::string instance_id;
    std::string instance;  // its name
    std::string orchestration;
    std::string state;  // running | succeeded | failed | cancelled
    std::string caller;
    std::string request_id;
    std::string request_digest;
    Json progress;  // the orchestration's status: {"stage": …}
    Json result;
    Json error;
    Timestamp created_at;
    std::optional<Timestamp> finished_at;
};
BOOST_DESCRIBE_STRUCT(Operation, (),
                      (id, kind, instance_id, instance, orchestration, state, caller, request_id, request_digest,
                       progress, result, error, created_at, finished_at))

struct NewOperation {
    std::string id;
    std::string kind;
    std::string instance_id;
    std::string orchestration;
    std::string caller;
    std::string request_id;
    std::optional<std::string> idempotency_key;
    std::string request_digest;  // of method, path and body: tells a repeated request from another one
};

// Errors: conflict/"idempotency_key_used", conflict/"operation_in_progress".
asio::awaitable<Result<void>> insert_operation(pg::Connection& tx, NewOperation operation);
// Error: not_found/"operation_not_found".
asio::awaitable<Result<Operation>> get_operation(pg::Connection& db, std::string id);
asio::awaitable<Result<std::optional<Operation>>> find_by_key(pg::Connection& db, std::string caller,
                                                              std::string idempotency_key);
// The running one of that kind on an instance.
asio::awaitable<Result<std::optional<Operation>>> find_running(pg::Connection& db, std::string instance_id,
                                                               std::string kind);

struct OperationFilter {
    std::optional<std::string> instance{};  // name
    std::optional<std::string> state{};
    bool oldest_first = false;
    std::optional<Timestamp> after_created_at{};  // cursor, with after_id: a place in that order
    std::optional<std::string> after_id{};
    int limit = 100;
};
// In the order of their creation.
asio::awaitable<Result<std::vector<Operation>>> list_operations(pg::Connection& db, OperationFilter filter);

// Those that run at present, by kind.
struct RunningOperations {
    std::string kind;
    std::int64_t count;
    double oldest_seconds;  // since the first of them began
};
asio::awaitable<Result<std::vector<RunningOperations>>> count_running_operations(pg::Connection& db);

// Ends a running operation; one that has ended stays as it is.
asio::awaitable<Result<void>> finish_operation(pg::Connection& tx, std::string id, std::string state, Json result,
                                               Json error);
// Ends those whose orchestration ended without a word: how many.
asio::awaitable<Result<int>> settle_operations(pg::Connection& tx);
// Those of an instance that run besides `but` end as cancelled: the instance goes. What its monitor was asked for and
// has not looked at is dropped.
asio::awaitable<Result<void>> cancel_operations(pg::Connection& tx, std::string instance, std::string but);

}  // namespace toygres::cms
