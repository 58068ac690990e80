// The part that creation's clean-up and deletion share: removes whatever Kubernetes has of an instance.
#pragma once
#include "activities/instance_ref.hpp"
#include "runtime/core/orchestration_context.hpp"

namespace toygres::orchestrations {

// Ends when a look by label finds nothing. Error: conflict/"objects_remain" with their names when somebody keeps making
// new ones.
runtime::Task<Nothing> remove_objects(runtime::OrchestrationContext& ctx, activities::InstanceRef instance);

}  // namespace toygres::orchestrations
