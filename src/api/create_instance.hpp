// What may be asked for when an instance is created, and the transaction that accepts it.
#pragma once
#include "api/call.hpp"
#include "cms/operations.hpp"
#include "kube/placement.hpp"
#include "orchestrations/tend_replication.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <string>

namespace toygres::api {

struct CreateInstanceBody {
    std::string name;
    std::optional<std::string> postgres_version;
    std::optional<std::int64_t> storage_size_gb;
    std::optional<std::string> password;
    std::optional<std::string> check_interval;
    std::optional<bool> internal;
    std::optional<std::map<std::string, std::string>> tags;
    std::optional<bool> replication;              // false: a single member
    std::optional<std::string> replication_mode;  // sync | async
    std::optional<std::int64_t> standbys;
    std::optional<std::string> durability;  // strict | degrade
    std::optional<kube::Placement> placement;
};
BOOST_DESCRIBE_STRUCT(CreateInstanceBody, (),
                      (name, postgres_version, storage_size_gb, password, check_interval, internal, tags, replication,
                       replication_mode, standbys, durability, placement))

// Checked, with its defaults filled in.
struct InstanceWish {
    std::string name;
    std::string postgres_version;
    int storage_size_gb;
    Secret password;
    std::chrono::milliseconds check_interval;
    bool use_load_balancer;
    Json tags;
    int members;
    ha::Mode replication_mode;
    ha::Durability durability;
    Json placement;
};

// Adds what is wrong with a set of tags to `wrong`, by "tags" or "tags.<key>".
void check_tags(const std::map<std::string, std::string>& tags, std::vector<FieldError>& wrong);
// Error: invalid/"invalid_request" with every field that is wrong. `versions`: the supported majors.
Result<InstanceWish> check(CreateInstanceBody body, const std::vector<std::string>& versions);

// One go at a slow call.
struct Attempt {
    std::string operation;  // the id that the transaction gives to its operation
    std::optional<std::string> idempotency_key;
    std::string digest;  // see request_digest
};

// What a slow call is answered with.
struct Accepted {
    cms::Operation operation;
    cms::Instance instance;
    std::string answer;  // the body of the 202
};

// Reserves the name, seals the password, records the operation and starts its orchestration: all of it or nothing. A
// repeated idempotency key gives what the first call gave. Errors: conflict/"name_taken",
// conflict/"idempotency_key_reused", transient.
asio::awaitable<Result<Accepted>> create_instance(const Call& call, InstanceWish wish, Attempt attempt);

}  // namespace toygres::api
