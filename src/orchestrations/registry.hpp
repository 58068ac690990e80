// All orchestrations of the product, by name and version.
#pragma once
#include "runtime/core/registry.hpp"

namespace toygres::orchestrations {

void register_orchestrations(runtime::OrchestrationRegistry& registry);

}  // namespace toygres::orchestrations
