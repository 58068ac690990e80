#include "cms/audit.hpp"

#include "api/page.hpp"
#include "api/route.hpp"

namespace toygres::api {
namespace {

// Newest first.
asio::awaitable<http::Response> list_audit(Call& call) {
    call.expect_query({"caller", "action", "object", "outcome", "limit", "page_token"});
    const int limit = page_size(call);
    const cms::AuditFilter filter{.caller = call.query_text("caller"),
                                  .action = call.query_text("action"),
                                  .object = call.query_text("object"),
                                  .outcome = call.query_choice("outcome", {"begun", "done", "denied", "failed"}),
                                  .before_id = key_cursor(call),
                                  .limit = limit + 1};
    const auto found = co_await call.read([&](pg::Connection& db) { return cms::list_audit(db, filter); });
    co_return json_response(page(
        "audit", found, limit, [&](const cms::AuditEntry& e) { return page_token(call, e.id); },
        [](const cms::AuditEntry& e) { return encode(e); }));
}

constexpr Route routes[] = {
    {"GET", "/api/v1/audit", Needs::admin, list_audit},
};

}  // namespace

std::span<const Route> audit_routes() { return routes; }

}  // namespace toygres::api
