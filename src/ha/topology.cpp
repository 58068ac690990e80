#include "ha/topology.hpp"

#include <fmt/format.h>

#include <charconv>

namespace toygres::ha {

Role role_of(const Topology& topology, const std::string& member) {
    if (!topology.members.contains(member)) return Role::none;
    return topology.primary == member ? Role::primary : Role::replica;
}

std::int64_t number_of(const std::string& member) {
    const auto digits = member.substr(member.rfind('-') + 1);
    std::int64_t number = 0;
    const auto end = digits.data() + digits.size();
    const auto [at, error] = std::from_chars(digits.data(), end, number);
    return error == std::errc() && at == end && number > 0 ? number : 0;
}

std::string stream_name(const std::string& member, std::int64_t epoch) { return fmt::format("{}_e{}", member, epoch); }

std::string synchronous_names(const std::vector<std::string>& members, std::int64_t epoch) {
    if (members.empty()) return {};
    std::vector<std::string> names;
    for (const auto& member : members) names.push_back('"' + stream_name(member, epoch) + '"');
    return fmt::format("ANY 1 ({})", fmt::join(names, ", "));
}

std::string slot_name(const std::string& member) {
    auto name = member;
    std::ranges::replace(name, '-', '_');
    return name;
}

Result<Topology> parse_topology(std::string_view text) {
    const auto json = parse_json(text);
    if (!json) return std::unexpected(json.error());
    Topology topology;
    try {
        topology = decode<Topology>(*json);
    } catch (const ErrorException& e) {
        return std::unexpected(e.error());
    }
    const auto bad = [](std::string message) {
        return std::unexpected(Error{ErrorKind::invalid, "bad_topology", std::move(message)});
    };
    if (topology.epoch < 1) return bad(fmt::format("epoch: must be at least 1, is {}", topology.epoch));
    if (!topology.primary.empty() && !topology.members.contains(topology.primary))
        return bad(fmt::format("primary: {} is not one of the members", topology.primary));
    return topology;
}

std::string format_topology(const Topology& topology) { return encode(topology).dump(); }

}  // namespace toygres::ha
