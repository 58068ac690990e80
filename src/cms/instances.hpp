// Instances in the CMS. Functions over a connection take part in the caller's transaction.
#pragma once
#include "pg/pool.hpp"

#include <optional>
#include <string>
#include <vector>

namespace toygres::cms {

// As read, and as the API shows it. Never holds a password.
struct Instance {
    std::string id;
    std::string name;
    std::string k8s_name;
    std::string ns;
    std::string state;   // creating | running | deleting | deleted | failed
    std::string health;  // healthy | unhealthy | unknown
    std::optional<std::string> message;
    std::string postgres_version;
    int storage_size_gb;
    bool use_load_balancer;
    std::int64_t check_interval_ms;
    std::optional<std::string> external_ip;
    std::optional<std::string> dns_name;
    std::string create_orchestration_id;
    std::optional<std::string> delete_orchestration_id;
    std::optional<std::string> instance_actor_orchestration_id;
    Json tags;
    std::string created_by;  // a token's name
    std::string owner;       // who may change it, besides an administrator
    Timestamp created_at;
    Timestamp updated_at;
    std::optional<Timestamp> deleted_at;
    std::optional<Timestamp> last_health_check_at;
    Json placement;  // kube::Placement
};
BOOST_DESCRIBE_STRUCT(Instance, (),
                      (id, name, k8s_name, ns, state, health, message, postgres_version, storage_size_gb,
                       use_load_balancer, check_interval_ms, external_ip, dns_name, create_orchestration_id,
                       delete_orchestration_id, instance_actor_orchestration_id, tags, created_by, owner, created_at,
                       updated_at, deleted_at, last_health_check_at, placement))

struct NewInstance {
    std::string name;
    std::string k8s_name;
    std::string ns;
    std::string postgres_version;
    int storage_size_gb;
    bool use_load_balancer;
    std::int64_t check_interval_ms;
    Json tags;
    std::string create_orchestration_id;
    Json placement;       // kube::Placement; null: nothing was chosen
    std::string owner{};  // empty: who asks
};

// Who asks, for the audit.
struct Actor {
    std::string name;        // a token's name, or the orchestration's id
    std::string request_id;  // empty: none
};

// The new row's id. Error: conflict/"name_taken", whose message and details tell the state of the holder.
asio::awaitable<Result<std::string>> reserve_instance(pg::Connection& tx, NewInstance instance, Actor actor);

// Errors of the readers: not_found/"instance_not_found".
// The live instance of that name; among deleted ones the latest, when `deleted_too`.
asio::awaitable<Result<Instance>> find_instance(pg::Connection& db, std::string name, bool deleted_too = false);
asio::awaitable<Result<Instance>> get_instance(pg::Connection& db, std::string id);

// Until the transaction ends, nobody else changes it nor its replication.
asio::awaitable<Result<void>> lock_instance(pg::Connection& tx, std::string id);

// What a list can be sorted by: what does not change, so that no page repeats or misses anything.
enum class InstanceSort { name, created_at, storage_size_gb };
BOOST_DESCRIBE_ENUM(InstanceSort, name, created_at, storage_size_gb)

// A place in a list: the sorted value as text, and the id that tells equal ones apart.
struct InstancePlace {
    std::string key;
    std::string id;
};
InstancePlace place_of(const Instance& instance, InstanceSort sort);

struct InstanceFilter {
    std::optional<std::string> state{};
    std::optional<std::string> health{};
    std::optional<std::string> name_prefix{};
    std::optional<std::string> name_glob{};  // * is any text, ? any character
    Json tags = Json::object();              // those that it has, by their values…
    std::vector<std::string> tag_names{};    // …and those that it has with any value
    bool deleted_too = false;
    InstanceSort sort = InstanceSort::created_at;
    bool descending = true;
    std::optional<InstancePlace> after{};
    int limit = 100;
};
asio::awaitable<Result<std::vector<Instance>>> list_instances(pg::Connection& db, InstanceFilter filter);

// false: it was in that state already. Errors: conflict/"illegal_transition", not_found/"instance_not_found".
asio::awaitable<Result<bool>> set_state(pg::Connection& tx, std::string id, std::string state, Actor actor,
                                        std::optional<std::string> operation, std::string reason);
asio::awaitable<Result<bool>> set_health(pg::Connection& tx, std::string id, std::string health, Actor actor,
                                         std::string reason);
// How it is reached; without passwords.
asio::awaitable<Result<void>> set_endpoint(pg::Connection& tx, std::string id, std::string address,
                                           std::string dns_name);
asio::awaitable<Result<void>> set_orchestrations(pg::Connection& tx, std::string id,
                                                 std::optional<std::string> deletion,
                                                 std::optional<std::string> monitor);
// false: it belonged to him already. Error: not_found/"instance_not_found".
asio::awaitable<Result<bool>> set_owner(pg::Connection& tx, std::string id, std::string owner, Actor actor);
// All of them, as they are to be from now on; false: they were so already. Error: not_found/"instance_not_found".
asio::awaitable<Result<bool>> set_tags(pg::Connection& tx, std::string id, Json tags, Actor actor);
asio::awaitable<Result<void>> remove_members(pg::Connection& tx, std::string id);

// One row of the health record. `kind`: "transition" or "rollup".
struct HealthRecord {
    std::string kind;
    std::string status;
    std::optional<std::string> postgres_version;
    std::optional<int> response_time_ms;
    int checks;
    int failures;
    std::optional<std::string> error_message;
};
asio::awaitable<Result<void>> record_health(pg::Connection& tx, std::string id, HealthRecord record);

// Running instances whose monitor does not run: (id, k8s_name).
struct Unmonitored {
    std::string id;
    std::string k8s_name;
    std::string ns;
    std::int64_t check_interval_ms;
};
BOOST_DESCRIBE_STRUCT(Unmonitored, (), (id, k8s_name, ns, check_interval_ms))
asio::awaitable<Result<std::vector<Unmonitored>>> list_unmonitored(pg::Connection& db);
asio::awaitable<Result<void>> make_health_partitions(pg::Connection& db, int days_ahead);
// What is older goes: days as a whole, and at most `batch` rows that lie in none; how many of both. What is in use
// stays for the next time.
asio::awaitable<Result<int>> prune_health(pg::Connection& db, std::chrono::minutes older_than, int batch);

// Sealed values on their way to a Kubernetes Secret. Reading an absent one gives nullopt.
asio::awaitable<Result<void>> put_sealed(pg::Connection& tx, std::string id, std::string name, std::string sealed);
asio::awaitable<Result<std::optional<std::string>>> get_sealed(pg::Connection& db, std::string id, std::string name);
asio::awaitable<Result<void>> drop_sealed(pg::Connection& tx, std::string id);

// One entry of v_timeline.
struct TimelineEntry {
    Timestamp at;
    std::string what;
    std::optional<std::string> change;
    std::optional<std::string> message;
    std::optional<std::string> actor;
    std::optional<std::string> request_id;
    std::optional<std::string> operation_id;
};
BOOST_DESCRIBE_STRUCT(TimelineEntry, (), (at, what, change, message, actor, request_id, operation_id))
// In order; at most `limit`, the latest ones.
asio::awaitable<Result<std::vector<TimelineEntry>>> timeline(pg::Connection& db, std::string id, int limit);

}  // namespace toygres::cms
