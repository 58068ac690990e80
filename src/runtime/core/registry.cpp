#include "runtime/core/registry.hpp"

#include "base/assert.hpp"

namespace toygres::runtime {

void OrchestrationRegistry::add_type(OrchestrationType type) {
    auto key = std::pair(type.name, type.version);
    TG_ASSERT(types_.emplace(std::move(key), std::move(type)).second);
}

const OrchestrationType* OrchestrationRegistry::find(std::string_view name, int version) const {
    const auto it = types_.find(std::pair(std::string(name), version));
    return it == types_.end() ? nullptr : &it->second;
}

const OrchestrationType* OrchestrationRegistry::latest(std::string_view name) const {
    auto it = types_.upper_bound(std::pair(std::string(name), std::numeric_limits<int>::max()));
    if (it == types_.begin()) return nullptr;
    --it;
    return it->first.first == name ? &it->second : nullptr;
}

}  // namespace toygres::runtime
