#include "api/page.hpp"
#include "api/route.hpp"
#include "api/views.hpp"

namespace toygres::api {
namespace {

std::vector<std::string> shown_members() {
    auto out = member_names<cms::Operation>();
    std::erase(out, "request_digest");
    return out;
}

// Newest first.
asio::awaitable<http::Response> list_operations(Call& call) {
    call.expect_query({"instance", "state", "sort", "fields", "limit", "page_token"});
    const int limit = page_size(call);
    const auto fields = chosen_fields(call, shown_members());
    const auto cursor = time_cursor(call);
    const cms::OperationFilter filter{
        .instance = call.query_text("instance"),
        .state = call.query_choice("state", {"running", "succeeded", "failed", "cancelled"}),
        .oldest_first = call.query_choice("sort", {"created_at", "-created_at"}) == "created_at",
        .after_created_at = cursor ? std::optional(cursor->created_at) : std::nullopt,
        .after_id = cursor ? std::optional(cursor->id) : std::nullopt,
        .limit = limit + 1};
    const auto found = co_await call.read([&](pg::Connection& db) { return cms::list_operations(db, filter); });
    co_return json_response(page(
        "operations", found, limit,
        [&](const cms::Operation& o) { return page_token(call, TimeCursor{o.created_at, o.id}); },
        [&](const cms::Operation& o) { return cut_down(view(o), fields); }));
}

asio::awaitable<http::Response> get_operation(Call& call) {
    call.expect_query({});
    co_return json_response(
        view(co_await call.read([&](pg::Connection& db) { return cms::get_operation(db, call.param("id")); })));
}

constexpr Route routes[] = {
    {"GET", "/api/v1/operations", Needs::viewer, list_operations},
    {"GET", "/api/v1/operations/{id}", Needs::viewer, get_operation},
};

}  // namespace

std::span<const Route> operation_routes() { return routes; }

}  // namespace toygres::api
