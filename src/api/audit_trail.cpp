#include "api/audit_trail.hpp"

#include "api/address.hpp"
#include "api/database.hpp"
#include "base/log.hpp"

#include <fmt/format.h>

namespace toygres::api {
namespace {

bool is_refusal(int status) { return status == 401 || status == 403 || status == 429; }

std::string outcome_of(int status) {
    if (is_refusal(status)) return "denied";
    return status < 400 ? "done" : "failed";
}

cms::NewAudit entry_of(const Call& call, std::string action, std::string outcome) {
    cms::NewAudit out{.caller = {},
                      .owner = {},
                      .peer = address_of(call.request().peer),
                      .action = std::move(action),
                      .object = call.object(),
                      .outcome = std::move(outcome),
                      .request_id = call.request_id()};
    if (call.has_caller()) {
        out.caller = call.caller().name;
        out.owner = call.caller().owner;
    }
    return out;
}

std::optional<std::string> code_of(const std::optional<Error>& failure) {
    return failure ? std::optional(public_error(*failure).code) : std::nullopt;
}

void lost(const cms::NewAudit& entry, const Error& error) {
    log::error("audit.entry_lost", {{"caller", entry.caller.value_or("")},
                                    {"peer", entry.peer},
                                    {"action", entry.action},
                                    {"object", entry.object.value_or("")},
                                    {"outcome", entry.outcome},
                                    {"request_id", entry.request_id},
                                    {"code", error.code}});
}

}  // namespace

asio::awaitable<Result<std::optional<std::int64_t>>> AuditTrail::begin(const Call& call, const Route& route) {
    if (route.audit.empty()) co_return std::nullopt;
    const auto entry = entry_of(call, std::string(route.audit), "begun");
    auto id = co_await query(pool_, [&](pg::Connection& db) { return cms::add_audit(db, entry); });
    if (!id) co_return std::unexpected(std::move(id).error());
    co_return std::optional(*id);
}

asio::awaitable<void> AuditTrail::end(const Call& call, std::int64_t entry, int status,
                                      const std::optional<Error>& failure) {
    const auto outcome = outcome_of(status);
    const auto ended = co_await query(pool_, [&](pg::Connection& db) {
        return cms::end_audit(db, entry, outcome, status, code_of(failure), call.object());
    });
    if (!ended) lost(entry_of(call, fmt::format("entry {}", entry), outcome), ended.error());
}

asio::awaitable<void> AuditTrail::refused(const Call& call, const Route* route, int status,
                                          const std::optional<Error>& failure) {
    co_await tell_left_out();
    if (!is_refusal(status)) co_return;
    const auto before = limit_.admit(network_of(address_of(call.request().peer)), std::chrono::steady_clock::now());
    if (!before) co_return;
    auto entry = entry_of(call,
                          route == nullptr       ? std::string("unmatched")
                          : route->audit.empty() ? fmt::format("{} {}", route->method, route->pattern)
                                                 : std::string(route->audit),
                          "denied");
    entry.status = status;
    entry.code = code_of(failure);
    entry.left_out = *before;
    co_await add(std::move(entry));
}

asio::awaitable<void> AuditTrail::add(cms::NewAudit entry) {
    const auto added = co_await query(pool_, [&](pg::Connection& db) { return cms::add_audit(db, entry); });
    if (!added) lost(entry, added.error());
}

// What nobody has told of a minute that is over is told with the next call of anybody.
asio::awaitable<void> AuditTrail::tell_left_out() {
    for (auto& [network, count] : limit_.take_left_out(std::chrono::steady_clock::now()))
        co_await add({.caller = {},
                      .owner = {},
                      .peer = std::move(network),
                      .action = "left_out",
                      .object = {},
                      .outcome = "denied",
                      .request_id = "",
                      .left_out = count});
}

}  // namespace toygres::api
