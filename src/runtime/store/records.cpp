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

}  // namespace toygres::runtime
