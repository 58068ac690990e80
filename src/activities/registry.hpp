// All activities and steps of the product.
#pragma once
#include "runtime/host/activity_context.hpp"

namespace toygres::activities {

void register_activities(runtime::ActivityRegistry& registry);

}  // namespace toygres::activities
