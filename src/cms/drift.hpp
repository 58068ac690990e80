// What the CMS holds of the objects in the cluster, for whoever compares the two, and what came of the comparison.
#pragma once
#include "pg/pool.hpp"

#include <optional>
#include <string>
#include <vector>

namespace toygres::cms {

// The id of this installation, which its objects carry as a label.
asio::awaitable<Result<std::string>> get_installation(pg::Connection& db);

struct OnRecord {
    std::string id;
    std::string name;
    std::string k8s_name;
    std::string ns;
    std::string state;
    Json record;  // ha::Record; null: none yet
};
// All live instances, and of the deleted ones those of the given names.
asio::awaitable<Result<std::vector<OnRecord>>> list_on_record(pg::Connection& db,
                                                              std::vector<std::string> deleted_k8s_names);

// An orchestration that watches over an instance and has not ended.
struct Monitor {
    std::string orchestration;
    Timestamp created_at;
};
asio::awaitable<Result<std::vector<Monitor>>> list_monitors(pg::Connection& db);

struct DriftRecord {
    std::string type;  // orphaned_k8s | orphaned_cms | state_mismatch
    std::string k8s_name;
    bool k8s_exists;
    std::string message;
    Json metadata;
    std::string resolved_by;  // empty: it is not resolved
};
asio::awaitable<Result<void>> add_drift(pg::Connection& tx, DriftRecord record);

}  // namespace toygres::cms
