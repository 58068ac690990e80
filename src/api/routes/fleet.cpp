#include "api/route.hpp"
#include "base/crypto.hpp"
#include "cms/replication.hpp"

namespace toygres::api {
namespace {

using http::Response;

constexpr std::size_t reason_length_max = 500;

struct FleetBody {
    bool automatic;
    std::optional<std::string> reason;
};
BOOST_DESCRIBE_STRUCT(FleetBody, (), (automatic, reason))

asio::awaitable<Response> get_failover(Call& call) {
    call.expect_query({});
    co_return json_response(encode(co_await call.read([](pg::Connection& db) { return cms::get_fleet_failover(db); })));
}

// Those whose failover was kept waiting by the pause look again now, not at their next check.
asio::awaitable<void> wake_blocked(Call& call) {
    const auto monitors = co_await call.read([](pg::Connection& db) { return cms::blocked_monitors(db); });
    for (const auto& monitor : monitors)
        co_await call.services().client.signal(monitor, "wake", {}, "wake/fleet/" + call.request_id());
}

asio::awaitable<Response> put_failover(Call& call) {
    call.expect_query({});
    const auto body = call.body<FleetBody>();
    if (body.reason && body.reason->size() > reason_length_max)
        throw ErrorException(invalid_fields({{"reason", "must be at most 500 bytes"}}));
    // Saying it twice says the same: a row of the audit more is what an unknown outcome costs.
    co_await call.read([&](pg::Connection& db) {
        return cms::set_fleet_failover(db, body.automatic, body.reason.value_or(""), call.actor().name,
                                       call.request_id());
    });
    if (body.automatic) co_await wake_blocked(call);
    co_return json_response(encode(co_await call.read([](pg::Connection& db) { return cms::get_fleet_failover(db); })));
}

constexpr Route routes[] = {
    {"GET", "/api/v1/failover", Needs::viewer, get_failover},
    {"PUT", "/api/v1/failover", Needs::admin, put_failover, "failover.switch"},
};

}  // namespace

std::span<const Route> fleet_routes() { return routes; }

}  // namespace toygres::api
