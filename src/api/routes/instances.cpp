#include "api/accept.hpp"
#include "api/delete_instance.hpp"
#include "api/page.hpp"
#include "api/route.hpp"
#include "api/views.hpp"
#include "cms/replication.hpp"

namespace toygres::api {
namespace {

using http::Response;

// 202 with the operation and the instance; 409 while a live instance holds the name.
asio::awaitable<Response> post_instance(Call& call) {
    call.expect_query({});
    const auto json = call.json_body();
    auto wish =
        value_or_raise(check(decode<CreateInstanceBody>(json, UnknownKeys::refuse), call.services().postgres_versions));
    co_return accepted(value_or_raise(co_await create_instance(call, std::move(wish), request_digest(call, json))));
}

// Newest first.
asio::awaitable<Response> list_instances(Call& call) {
    call.expect_query({"state", "health", "name_prefix", "include_deleted", "limit", "page_token"});
    const int limit = page_size(call);
    const auto cursor = time_cursor(call);
    const cms::InstanceFilter filter{
        .state = call.query_choice("state", {"creating", "running", "deleting", "deleted", "failed"}),
        .health = call.query_choice("health", {"healthy", "unhealthy", "unknown"}),
        .name_prefix = call.query_text("name_prefix"),
        .deleted_too = call.query_flag("include_deleted"),
        .before_created_at = cursor ? std::optional(cursor->created_at) : std::nullopt,
        .before_id = cursor ? std::optional(cursor->id) : std::nullopt,
        .limit = limit + 1};
    const auto found = co_await call.read([&](pg::Connection& db) { return cms::list_instances(db, filter); });
    co_return json_response(page(
        "instances", found, limit, [](const cms::Instance& i) { return page_token({i.created_at, i.id}); },
        [](const cms::Instance& i) { return view(i); }));
}

asio::awaitable<Response> get_instance(Call& call) {
    call.expect_query({"include_deleted"});
    const bool deleted_too = call.query_flag("include_deleted");
    const auto instance =
        co_await call.read([&](pg::Connection& db) { return cms::find_instance(db, call.param("name"), deleted_too); });
    auto out = view(instance);
    out["replication"] =
        view(instance, co_await call.read([&](pg::Connection& db) { return cms::get_replication(db, instance.id); }));
    co_return json_response(out);
}

// 202 with the operation; the same one while it runs.
asio::awaitable<Response> delete_one(Call& call) {
    call.expect_query({});
    co_return accepted(value_or_raise(co_await delete_instance(call, call.param("name"))));
}

struct InstancePatch {
    std::string owner;
};
BOOST_DESCRIBE_STRUCT(InstancePatch, (), (owner))

// It belongs to somebody else from now on; 200 with the instance, also when it was his already.
asio::awaitable<Response> patch_instance(Call& call) {
    call.expect_query({});
    const auto patch = call.body<InstancePatch>();
    if (!is_subject(patch.owner)) throw ErrorException(invalid_fields({{"owner", subject_rule}}));
    const auto instance =
        co_await call.read([&](pg::Connection& db) { return cms::find_instance(db, call.param("name")); });
    co_await call.read([&](pg::Connection& db) { return cms::set_owner(db, instance.id, patch.owner, call.actor()); });
    co_return json_response(
        view(co_await call.read([&](pg::Connection& db) { return cms::get_instance(db, instance.id); })));
}

constexpr Route routes[] = {
    {"POST", "/api/v1/instances", Needs::operator_, post_instance},
    {"GET", "/api/v1/instances", Needs::viewer, list_instances},
    {"GET", "/api/v1/instances/{name}", Needs::viewer, get_instance},
    {"PATCH", "/api/v1/instances/{name}", Needs::admin, patch_instance, "instance.set_owner"},
    {"DELETE", "/api/v1/instances/{name}", Needs::owner, delete_one, "instance.delete"},
};

}  // namespace

std::span<const Route> instance_routes() { return routes; }

}  // namespace toygres::api
