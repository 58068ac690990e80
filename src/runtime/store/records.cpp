#include "runtime/store/records.hpp"

#include "base/crypto.hpp"

namespace toygres::runtime {

int shard_of(std::string_view orchestration) {
    return static_cast<int>(digest64(orchestration) % static_cast<std::uint64_t>(shard_count));
}

std::size_t Turn::bytes() const {
    std::size_t out = 200;
    for (const auto& row : rows) out += row.events.size() + 50;
    return out + 300 * (messages.size() + starts.size());
}

const Retention* rule_of(const std::vector<Retention>& rules, const std::string& name) {
    const Retention* otherwise = nullptr;
    for (const auto& rule : rules) {
        if (rule.name == name) return &rule;
        if (rule.name.empty()) otherwise = &rule;
    }
    return otherwise;
}

}  // namespace toygres::runtime
