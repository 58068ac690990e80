#include "cms/replication.hpp"

#include "api/change_replication.hpp"
#include "api/route.hpp"
#include "api/views.hpp"

namespace toygres::api {
namespace {

using http::Response;

constexpr int failovers_shown = 10;

asio::awaitable<Response> get_replication(Call& call) {
    call.expect_query({});
    const auto instance =
        co_await call.read([&](pg::Connection& db) { return cms::find_instance(db, call.param("name")); });
    const auto stored = co_await call.read([&](pg::Connection& db) { return cms::get_replication(db, instance.id); });
    const auto failovers =
        co_await call.read([&](pg::Connection& db) { return cms::list_failovers(db, instance.id, failovers_shown); });
    auto out = view(instance, stored);
    out["policy"] = stored.policy;
    out["failovers"] = encode(failovers);
    co_return json_response(out);
}

asio::awaitable<Response> change(Call& call, std::string kind) {
    call.expect_query({});
    const auto json = call.request().body.empty() ? Json::object() : call.json_body();
    co_return accepted(value_or_raise(co_await change_replication(call, kind, call.param("name"),
                                                                  decode<ReplicationBody>(json, UnknownKeys::refuse),
                                                                  request_digest(call, json))));
}

asio::awaitable<Response> switchover(Call& call) { return change(call, "switchover"); }
asio::awaitable<Response> failover(Call& call) { return change(call, "failover"); }
asio::awaitable<Response> resync(Call& call) { return change(call, "resync"); }
asio::awaitable<Response> hold(Call& call) { return change(call, "hold"); }
asio::awaitable<Response> resume(Call& call) { return change(call, "resume"); }

constexpr Route routes[] = {
    {"GET", "/api/v1/instances/{name}/replication", Scope::read, get_replication},
    {"POST", "/api/v1/instances/{name}/switchover", Scope::write, switchover},
    {"POST", "/api/v1/instances/{name}/failover", Scope::write, failover},
    {"POST", "/api/v1/instances/{name}/resync", Scope::write, resync},
    {"POST", "/api/v1/instances/{name}/hold", Scope::write, hold},
    {"POST", "/api/v1/instances/{name}/resume", Scope::write, resume},
};

}  // namespace

std::span<const Route> replication_routes() { return routes; }

}  // namespace toygres::api
