#include "cms/replication.hpp"

#include "api/change_replication.hpp"
#include "api/replicas.hpp"
#include "api/replication_bodies.hpp"
#include "api/route.hpp"
#include "api/views.hpp"

namespace toygres::api {
namespace {

using http::Response;
using namespace std::chrono_literals;

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

Json body_or_nothing(Call& call) {
    call.expect_query({});
    return call.request().body.empty() ? Json::object() : call.json_body();
}

asio::awaitable<Response> ask(Call& call, Result<ha::Request> request, const Json& body) {
    co_return accepted(value_or_raise(co_await change_replication(
        call, call.param("name"), value_or_raise(std::move(request)), request_digest(call, body))));
}

asio::awaitable<Response> change_roles(Call& call, std::string kind) {
    const auto body = body_or_nothing(call);
    co_return co_await ask(call, roles_request(kind, decode<RolesBody>(body, UnknownKeys::refuse)), body);
}

asio::awaitable<Response> switchover(Call& call) { return change_roles(call, "switchover"); }
asio::awaitable<Response> failover(Call& call) { return change_roles(call, "failover"); }
asio::awaitable<Response> promote(Call& call) { return change_roles(call, "promote"); }
asio::awaitable<Response> resync(Call& call) { return change_roles(call, "resync"); }
asio::awaitable<Response> hold(Call& call) { return change_roles(call, "hold"); }
asio::awaitable<Response> resume(Call& call) { return change_roles(call, "resume"); }

asio::awaitable<Response> configure(Call& call) {
    const auto body = body_or_nothing(call);
    co_return co_await ask(call, settings_request(decode<SettingsBody>(body, UnknownKeys::refuse)), body);
}

asio::awaitable<Response> add_replica(Call& call) {
    const auto body = body_or_nothing(call);
    co_return co_await ask(call, add_request(decode<ReplicaBody>(body, UnknownKeys::refuse)), body);
}

asio::awaitable<Response> remove_replica(Call& call) {
    call.expect_query({"reason"});
    const RolesBody body{.target = call.param("member"), .reason = call.query_text("reason")};
    co_return co_await ask(call, roles_request("remove", body), encode(body));
}

struct VerifyBody {
    std::optional<std::string> timeout;
};
BOOST_DESCRIBE_STRUCT(VerifyBody, (), (timeout))

asio::awaitable<Response> verify(Call& call) {
    const auto body = body_or_nothing(call);
    const auto timeout = parse_duration(decode<VerifyBody>(body, UnknownKeys::refuse).timeout.value_or("10s"));
    if (!timeout || *timeout < 100ms || *timeout > 10min)
        throw ErrorException(invalid_fields({{"timeout", "must be a duration from 100ms to 10m, such as 10s"}}));
    co_return accepted(
        value_or_raise(co_await verify_replication(call, call.param("name"), *timeout, request_digest(call, body))));
}

asio::awaitable<Response> list_replicas(Call& call) {
    call.expect_query({});
    const auto instance =
        co_await call.read([&](pg::Connection& db) { return cms::find_instance(db, call.param("name")); });
    const auto stored = co_await call.read([&](pg::Connection& db) { return cms::get_replication(db, instance.id); });
    const auto record = decode<ha::Record>(stored.record);
    AgentStatuses statuses;
    if (call.services().ask_members)
        statuses = co_await call.services().ask_members(instance.k8s_name, instance.ns, record.members);
    co_return json_response({{"instance", instance.name},
                             {"state", enum_name(record.state)},
                             {"replicas", replicas_view(record, statuses)}});
}

constexpr Route routes[] = {
    {"GET", "/api/v1/instances/{name}/replication", Needs::viewer, get_replication},
    {"PATCH", "/api/v1/instances/{name}/replication", Needs::owner, configure},
    {"GET", "/api/v1/instances/{name}/replicas", Needs::viewer, list_replicas},
    {"POST", "/api/v1/instances/{name}/replicas", Needs::owner, add_replica},
    {"DELETE", "/api/v1/instances/{name}/replicas/{member}", Needs::owner, remove_replica, "replica.remove"},
    {"POST", "/api/v1/instances/{name}/switchover", Needs::owner, switchover, "instance.switchover"},
    {"POST", "/api/v1/instances/{name}/failover", Needs::owner, failover, "instance.failover"},
    {"POST", "/api/v1/instances/{name}/promote", Needs::owner, promote, "instance.promote"},
    {"POST", "/api/v1/instances/{name}/resync", Needs::owner, resync},
    {"POST", "/api/v1/instances/{name}/verify", Needs::owner, verify},
    {"POST", "/api/v1/instances/{name}/hold", Needs::owner, hold},
    {"POST", "/api/v1/instances/{name}/resume", Needs::owner, resume},
};

}  // namespace

std::span<const Route> replication_routes() { return routes; }

}  // namespace toygres::api
