#include "ha/read_agent_status.hpp"

namespace toygres::ha {

Result<AgentStatus> read_agent_status(std::string_view text) {
    const auto json = parse_json(text);
    if (!json) return std::unexpected(json.error());
    try {
        return decode<AgentStatus>(*json);
    } catch (const ErrorException& e) {
        return std::unexpected(e.error());
    }
}

}  // namespace toygres::ha
