#include "cli/verbs/verbs.hpp"

#include <fmt/format.h>

#include <ostream>

namespace toygres::cli {
namespace {

std::string time_at(const Json& object, const char* key) {
    const auto text = text_at(object, key);
    return text.empty() ? "" : time_text(text);
}

}  // namespace

int create_token(Session& session, const TokenOptions& options) {
    Json body = {{"name", options.name}, {"role", options.role}};
    if (!options.owner.empty()) body["owner"] = options.owner;
    if (options.expires_in) body["expires_in"] = fmt::format("{}s", options.expires_in->count() / 1000);
    const auto made = value_or_raise(session.api.call("POST", "/api/v1/tokens", body));
    if (session.print_raw(made)) return exit_ok;
    session.console.err << "This token is shown once:\n";
    session.console.out << text_at(made, "token") << "\n";
    return exit_ok;
}

int list_tokens(Session& session, const TokenOptions&) {
    const auto found = all_pages(session, "/api/v1/tokens", "tokens");
    if (session.print_raw(found)) return exit_ok;
    Table table({"NAME", "ROLE", "OWNER", "CREATED", "LAST USED", "EXPIRES", "REVOKED"});
    for (const auto& t : found.at("tokens"))
        table.add({text_at(t, "name"), text_at(t, "role"), text_at(t, "owner"), time_at(t, "created_at"),
                   time_at(t, "last_used_at"), time_at(t, "expires_at"), time_at(t, "revoked_at")});
    session.console.out << table.text();
    return exit_ok;
}

int revoke_token(Session& session, const TokenOptions& options) {
    const auto gone =
        value_or_raise(session.api.call("DELETE", "/api/v1/tokens/" + http::percent_encode(options.name)));
    if (!session.print_raw(gone)) session.console.out << options.name << " ends within seconds\n";
    return exit_ok;
}

int audit(Session& session, const AuditOptions& options) {
    std::string target = "/api/v1/audit";
    add_query(target, "caller", options.caller);
    add_query(target, "action", options.action);
    add_query(target, "object", options.object);
    add_query(target, "outcome", options.outcome);
    const auto found = all_pages(session, target, "audit", options.limit);
    if (session.print_raw(found)) return exit_ok;
    Table table(
        {"TIME (UTC)", "CALLER", "OWNER", "FROM", "ACTION", "OBJECT", "OUTCOME", "CODE", "LEFT OUT", "REQUEST"});
    for (const auto& e : found.at("audit"))
        table.add({time_at(e, "at"), text_at(e, "caller"), text_at(e, "owner"), text_at(e, "peer"),
                   text_at(e, "action"), text_at(e, "object"), text_at(e, "outcome"), text_at(e, "code"),
                   e.value("left_out", 0) > 0 ? text_at(e, "left_out") : "", text_at(e, "request_id")});
    session.console.out << table.text();
    return exit_ok;
}

int set_owner(Session& session, const SetOwnerOptions& options) {
    const auto instance =
        value_or_raise(session.api.call("PATCH", instance_path(options.name), {{"owner", options.owner}}));
    if (!session.print_raw(instance))
        session.console.out << fmt::format("{} belongs to {}\n", options.name, text_at(instance, "owner"));
    return exit_ok;
}

}  // namespace toygres::cli
