// The audit: calls that were refused, and those that only few may make.
#pragma once
#include "pg/pool.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace toygres::cms {

struct AuditEntry {
    std::int64_t id;
    Timestamp at;
    std::optional<std::string> caller;  // a token's name
    std::optional<std::string> owner;   // whom it speaks for
    std::string peer;                   // address
    std::string action;                 // "credentials.read", "GET /api/v1/instances"
    std::optional<std::string> object;  // name or id
    std::string outcome;                // begun | done | denied | failed
    std::optional<int> status;
    std::optional<std::string> code;
    std::string request_id;
    int left_out;  // so many refusals of that address before this one have no entry
};
BOOST_DESCRIBE_STRUCT(AuditEntry, (),
                      (id, at, caller, owner, peer, action, object, outcome, status, code, request_id, left_out))

struct NewAudit {
    std::optional<std::string> caller;
    std::optional<std::string> owner;
    std::string peer;
    std::string action;
    std::optional<std::string> object;
    std::string outcome;
    std::optional<int> status{};
    std::optional<std::string> code{};
    std::string request_id;
    int left_out = 0;
};
// The entry's id.
asio::awaitable<Result<std::int64_t>> add_audit(pg::Connection& db, NewAudit entry);
// What came of one that has begun. `object` where it was not known before.
asio::awaitable<Result<void>> end_audit(pg::Connection& db, std::int64_t id, std::string outcome, int status,
                                        std::optional<std::string> code, std::optional<std::string> object);

struct AuditFilter {
    std::optional<std::string> caller{};
    std::optional<std::string> action{};
    std::optional<std::string> object{};
    std::optional<std::string> outcome{};
    std::optional<std::int64_t> before_id{};  // cursor
    int limit = 100;
};
// Newest first.
asio::awaitable<Result<std::vector<AuditEntry>>> list_audit(pg::Connection& db, AuditFilter filter);
// Deletes at most `batch` entries that are older than that: how many.
asio::awaitable<Result<int>> prune_audit(pg::Connection& db, std::chrono::minutes older_than, int batch);

}  // namespace toygres::cms
