// What the API answers to: one constexpr table per noun in routes/, and the search through them.
#pragma once
#include "api/call.hpp"

#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace toygres::api {

struct Route {
    std::string_view method;
    std::string_view pattern;  // "/api/v1/instances/{name}"
    Needs needs;
    asio::awaitable<http::Response> (*handle)(Call&);
    std::string_view audit{};  // what it is called in the audit, before it does anything; empty: it is not privileged
};

// The tables.
std::span<const Route> audit_routes();
std::span<const Route> bulk_routes();
std::span<const Route> instance_routes();
std::span<const Route> drift_routes();
std::span<const Route> event_routes();
std::span<const Route> fleet_routes();
std::span<const Route> log_routes();
std::span<const Route> connection_routes();
std::span<const Route> operation_routes();
std::span<const Route> orchestration_routes();
std::span<const Route> replication_routes();
std::span<const Route> schedule_routes();
std::span<const Route> stats_routes();
std::span<const Route> system_routes();
std::span<const Route> token_routes();
// All of them.
std::vector<Route> all_routes();

class Router {
  public:
    Router();

    struct Match {
        const Route* route;
        std::map<std::string, std::string, std::less<>> params;
    };
    struct NoMatch {
        std::string allow;  // the methods that the path has, joined by ", "; empty: no such path
    };
    // HEAD matches the routes of GET.
    std::variant<Match, NoMatch> find(std::string_view method, const std::vector<std::string>& segments) const;

  private:
    struct Entry {
        Route route;
        std::vector<std::string_view> segments;
    };
    std::vector<Entry> entries_;
};

}  // namespace toygres::api
