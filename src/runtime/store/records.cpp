#include "runtime/store/records.hpp"

#include "base/crypto.hpp"
#include "runtime/core/event.hpp"

#include <fmt/format.h>

namespace toygres::runtime {

int shard_of(std::string_view orchestration) {
    return static_cast<int>(digest64(orchestration) % static_cast<std::uint64_t>(shard_count));
}

std::size_t Turn::bytes() const {
    std::size_t out = 200;
    for (const auto& row : rows) out += row.events.size() + 50;
    for (const auto& answer : answers) out += payload_bytes(answer.answer);
    return out + 300 * (messages.size() + starts.size());
}

std::string request_name(const std::string& orchestration, const std::string& request) {
    return orchestration + "#" + request;
}

const Retention* rule_of(const std::vector<Retention>& rules, const std::string& name) {
    const Retention* otherwise = nullptr;
    for (const auto& rule : rules) {
        if (rule.name == name) return &rule;
        if (rule.name.empty()) otherwise = &rule;
    }
    return otherwise;
}

Error orchestration_changed(const std::string& id) {
    return {ErrorKind::conflict, "orchestration_changed",
            fmt::format("{} has gone on, or was pruned, since it was looked at; look again", id)};
}

Error orchestration_finished(const std::string& id) {
    return {ErrorKind::conflict, "orchestration_finished", fmt::format("orchestration {} has ended", id)};
}

Error children_running(const std::string& id, const std::string& child) {
    return {ErrorKind::conflict, "children_running",
            fmt::format("{} cannot begin again while its child {} goes on; let it end, or terminate it", id, child)};
}

}  // namespace toygres::runtime
