#include "api/route.hpp"

#include <array>

namespace toygres::api {
namespace {

bool is_param(std::string_view segment) { return segment.starts_with('{'); }

std::vector<std::string_view> split(std::string_view pattern) {
    std::vector<std::string_view> out;
    pattern.remove_prefix(1);
    for (;;) {
        const auto slash = pattern.find('/');
        out.push_back(pattern.substr(0, slash));
        if (slash == std::string_view::npos) return out;
        pattern.remove_prefix(slash + 1);
    }
}

bool fits(const std::vector<std::string_view>& pattern, const std::vector<std::string>& segments) {
    if (pattern.size() != segments.size()) return false;
    for (std::size_t i = 0; i < pattern.size(); ++i)
        if (is_param(pattern[i]) ? segments[i].empty() : pattern[i] != segments[i]) return false;
    return true;
}

}  // namespace

std::vector<Route> all_routes() {
    std::vector<Route> out;
    for (const auto table :
         {audit_routes(), bulk_routes(), instance_routes(), connection_routes(), event_routes(), fleet_routes(),
          log_routes(), operation_routes(), orchestration_routes(), replication_routes(), schedule_routes(),
          system_routes(), token_routes(), drift_routes(), stats_routes()})
        out.insert(out.end(), table.begin(), table.end());
    return out;
}

Router::Router() {
    for (const auto& route : all_routes()) entries_.push_back({route, split(route.pattern)});
}

std::variant<Router::Match, Router::NoMatch> Router::find(std::string_view method,
                                                          const std::vector<std::string>& segments) const {
    NoMatch none;
    for (const auto& [route, pattern] : entries_) {
        if (!fits(pattern, segments)) continue;
        if (route.method == method || (method == "HEAD" && route.method == "GET")) {
            Match match{&route, {}};
            for (std::size_t i = 0; i < pattern.size(); ++i)
                if (is_param(pattern[i]))
                    match.params.emplace(pattern[i].substr(1, pattern[i].size() - 2), segments[i]);
            return match;
        }
        none.allow += (none.allow.empty() ? "" : ", ") + std::string(route.method);
    }
    return none;
}

}  // namespace toygres::api
