// Removes an instance, object by object, until the API server says that each is gone. Cancels a creation in flight and
// stops the monitor first. May be started again from any half-way state.
#pragma once
#include "runtime/core/orchestration_context.hpp"

namespace toygres::orchestrations {

struct DeleteInstance {
    static constexpr std::string_view name = "delete_instance";
    static constexpr int version = 1;
    struct Input {
        std::string instance;
        std::string operation;
        std::string k8s_name;
        std::string ns;
    };
    struct Output {
        bool deleted;  // false: it was gone already
    };
    static runtime::Task<Output> run(runtime::OrchestrationContext& ctx, Input in);
};
BOOST_DESCRIBE_STRUCT(DeleteInstance::Input, (), (instance, operation, k8s_name, ns))
BOOST_DESCRIBE_STRUCT(DeleteInstance::Output, (), (deleted))

}  // namespace toygres::orchestrations
