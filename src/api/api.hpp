// The control plane's REST API: finds the route, knows the caller, answers; one log line and two metrics per request.
#pragma once
#include "api/audit_trail.hpp"
#include "api/authenticator.hpp"
#include "api/route.hpp"
#include "api/services.hpp"
#include "http/server.hpp"

#include <string_view>

namespace toygres::api {

class Api {
  public:
    explicit Api(ApiServices services);

    // The handler of an http::Server. Never throws but when a stream that has begun cannot go on.
    asio::awaitable<void> handle(http::Exchange& exchange);
    // The error_page of that server.
    static http::Response error_page(int status, std::string_view detail);

  private:
    struct Handling {
        const Route* route = nullptr;
        std::optional<std::int64_t> audit{};  // the entry of a privileged call
    };
    asio::awaitable<http::Response> dispatch(Call& call, Handling& handling);
    void expect_room(const Caller& caller);
    asio::awaitable<void> admit(Call& call, const Route& route);

    ApiServices services_;
    Router router_;
    Authenticator authenticator_;
    RateLimit rate_limit_;
    AuditTrail audit_;
};

}  // namespace toygres::api
