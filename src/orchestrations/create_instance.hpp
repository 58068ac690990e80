// Makes an instance: Secrets, objects, a ready primary, a connection as the user would make it, standbys that are
// proven to hold what is acknowledged. If that fails or is cancelled, everything made is removed and the reason is
// kept.
#pragma once
#include "activities/instance_ref.hpp"
#include "ha/model.hpp"
#include "runtime/core/orchestration_context.hpp"

namespace toygres::orchestrations {

struct CreateInstance {
    static constexpr std::string_view name = "create_instance";
    static constexpr int version = 1;
    // The name is reserved, the operation recorded and a given password sealed in the transaction that starts this.
    struct Input {
        std::string instance;
        std::string operation;
        std::string name;
        std::string k8s_name;
        std::string ns;
        std::string postgres_version;
        int storage_size_gb;
        bool use_load_balancer;
        std::int64_t check_interval_ms;
        int members;
        ha::Mode replication_mode;
    };
    struct Output {
        std::string k8s_name;
        std::string host;
    };
    static runtime::Task<Output> run(runtime::OrchestrationContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(CreateInstance::Input, (),
                      (instance, operation, name, k8s_name, ns, postgres_version, storage_size_gb, use_load_balancer,
                       check_interval_ms, members, replication_mode))
BOOST_DESCRIBE_STRUCT(CreateInstance::Output, (), (k8s_name, host))

}  // namespace toygres::orchestrations
