#include "base/crypto.hpp"
#include "cli/verbs/verbs.hpp"
#include "cli/waiter.hpp"
#include "http/message.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>
#include <regex>

namespace toygres::cli {
namespace {

std::string coloured(const Console& console, const std::string& state) {
    if (state == "synced" || state == "single") return console.paint(state, "32");
    if (state == "degraded" || state == "degrading" || state == "failing_over") return console.paint(state, "31");
    return console.paint(state, "33");
}

std::string what_of(const Json& member) {
    auto out = text_at(member, "role");
    if (member.value("synchronous", false)) out += ", synchronous";
    if (member.value("fenced", false)) out += ", fenced";
    return out;
}

// "mydb-0a1b2c3d-2" is a member of "mydb": its own name says all.
ReplicationOptions of_member(ReplicationOptions options) {
    static const std::regex member("(.+)-[0-9a-f]{8}-[0-9]+");
    std::smatch parts;
    if (!options.target.empty() || !std::regex_match(options.name, parts, member)) return options;
    options.target = options.name;
    options.name = parts[1];
    return options;
}

Json roles_body(const ReplicationOptions& options) {
    Json body = Json::object();
    if (!options.target.empty()) body["target"] = options.target;
    if (options.handover_timeout) body["timeout"] = *options.handover_timeout;
    if (options.old_primary_action != "convert_to_replica") body["old_primary_action"] = options.old_primary_action;
    if (options.force) body["force"] = true;
    if (options.allow_data_loss) body["allow_data_loss"] = true;
    if (options.dry_run) body["dry_run"] = true;
    if (options.wait_for_sync) body["wait_for_sync"] = true;
    if (options.sync_timeout) body["sync_timeout"] = *options.sync_timeout;
    return body;
}

// Sends a request and, if that is wished, waits for its end. null: told already what there is to tell.
Json carry_out(Session& session, const std::string& what, const std::string& method, const std::string& target,
               Json body, const ReplicationOptions& options) {
    if (!options.reason.empty() && method != "DELETE") body["reason"] = options.reason;
    auto answer = session.api.send(method, target, body, random_uuid());
    if (!options.wait && !options.dry_run) {
        if (session.print_raw(answer)) return nullptr;
        session.console.out << session.console.paint("✓", "32")
                            << fmt::format(" Accepted: {} of {}\nSee how it gets on:\n  toygres operation {} --wait\n",
                                           what, options.name, text_at(answer.at("operation"), "id"));
        return nullptr;
    }
    auto operation = value_or_raise(wait_for_operation(session, answer.at("operation"), options.timeout));
    if (session.print_raw(operation)) return nullptr;
    return operation.at("result");
}

void print_done(Session& session, const std::string& text, Timestamp began) {
    session.console.out << session.console.paint("✓", "32")
                        << fmt::format(" {} ({})\n", text, format_duration(now() - began));
}

// The members of that role, with what there is to say of them.
std::string members_of(const Json& replication, const std::string& role) {
    std::string out;
    for (const auto& member : replication.value("members", Json::array())) {
        if (text_at(member, "role") != role) continue;
        out += (out.empty() ? "" : ", ") + text_at(member, "name");
        if (member.value("fenced", false)) out += " (fenced)";
    }
    return out;
}

std::string sync_state(const Json& replication) {
    if (text_at(replication, "mode") == "async") return "asynchronous";
    return replication.value("failover_safe", false) ? "synchronized" : "not synchronized";
}

int change(Session& session, const std::string& kind, const ReplicationOptions& given) {
    const auto options = of_member(given);
    const bool harmless = !options.allow_data_loss || options.dry_run || options.yes;
    if (!session.console.confirmed(harmless,
                                   fmt::format("Promote a standby of {} that may lack commits?", options.name),
                                   "acknowledged commits may be lost"))
        return exit_failed;
    const auto began = now();
    const auto result =
        carry_out(session, kind, "POST", instance_path(options.name, "/" + kind), roles_body(options), options);
    if (result.is_null()) return exit_ok;
    if (options.dry_run)
        session.console.out << fmt::format("Nothing was changed. It would make {} the primary in place of {}{}.\n",
                                           text_at(result, "new_primary"), text_at(result, "old_primary"),
                                           result.value("failover_safe", false)
                                               ? ", and lose nothing that was acknowledged"
                                               : ", and could lose acknowledged commits");
    else
        print_done(session,
                   fmt::format("{} of {} is done: {} is the primary, epoch {}", kind, options.name,
                               text_at(result, "primary"), text_at(result, "epoch")),
                   began);
    return exit_ok;
}

// "cooldown=10m" with the value as JSON has it: numbers are numbers, all else is text.
Json policy_of(const std::vector<std::string>& pairs) {
    Json out = Json::object();
    for (const auto& pair : pairs) {
        const auto at = pair.find('=');
        if (at == std::string::npos) raise(ErrorKind::invalid, "bad_option", "--policy takes NAME=VALUE, not " + pair);
        const auto name = pair.substr(0, at);
        const auto text = pair.substr(at + 1);
        const bool number = name.ends_with("_bytes") && !text.empty() &&
                            text.find_first_not_of("0123456789") == std::string::npos && text.size() < 19;
        out[name] = number ? Json(std::stoll(text)) : Json(text);
    }
    return out;
}

int set_automatic(Session& session, const ReplicationOptions& options, bool automatic) {
    const auto done = automatic ? "may happen by itself again" : "is paused";
    if (options.all) {
        const auto now_so = session.api.send("PUT", "/api/v1/failover",
                                             {{"automatic", automatic}, {"reason", options.reason}}, random_uuid());
        if (session.print_raw(now_so)) return exit_ok;
        session.console.out << session.console.paint("✓", "32") << fmt::format(" Failover of all instances {}\n", done);
        return exit_ok;
    }
    if (options.name.empty()) raise(ErrorKind::invalid, "bad_option", "name the instance, or say --all");
    auto waiting = options;
    waiting.wait = true;  // nobody wants to guess whether it is paused
    const auto began = now();
    const auto result =
        carry_out(session, automatic ? "unpause" : "pause", "PATCH", instance_path(options.name, "/replication"),
                  {{"automatic_failover", automatic}}, waiting);
    if (!result.is_null()) print_done(session, fmt::format("Failover of {} {}", options.name, done), began);
    return exit_ok;
}

std::string lag_text(const Json& member) {
    const auto bytes = text_at(member, "lag_bytes");
    return bytes.empty() ? std::string() : fmt::format("{} B, {} ms", bytes, text_at(member, "lag_ms"));
}

std::string state_text(const Json& member) {
    if (member.value("/clone/total_bytes"_json_pointer, Json()).is_number_integer()) {
        const auto& clone = member.at("clone");
        const auto total = std::max<std::int64_t>(1, clone.value("total_bytes", std::int64_t{1}));
        return fmt::format("copying, {} %", 100 * clone.value("done_bytes", std::int64_t{0}) / total);
    }
    if (text_at(member, "standing") != "present") return text_at(member, "standing");
    return member.value("streaming", false) ? "streaming" : text_at(member, "state");
}

std::string members_table(const Session& session, const Json& found) {
    Table table({"MEMBER", "ROLE", "STATE", "LAG", "ZONE", "REASON"});
    for (const auto& member : found.at("replicas"))
        table.add({text_at(member, "name"), what_of(member), state_text(member), lag_text(member),
                   text_at(member, "zone"), text_at(member, "reason")});
    return session.text_of(table);
}

}  // namespace

std::string replication_section(const Console& console, const Json& replication) {
    const auto state = text_at(replication, "state");
    std::vector<std::pair<std::string, std::string>> lines{{"Enabled", state == "single" ? "no" : "yes"},
                                                           {"State", coloured(console, state)}};
    if (state == "single") return section("Replication", lines);
    lines.emplace_back("Mode", fmt::format("{}, {}", text_at(replication, "mode"), text_at(replication, "durability")));
    lines.emplace_back("Primary", members_of(replication, "primary"));
    lines.emplace_back("Standby", members_of(replication, "replica"));
    lines.emplace_back("Sync State", sync_state(replication));
    lines.emplace_back("Failover Safe", replication.value("failover_safe", false) ? "yes" : "no");
    lines.emplace_back("Automatic", replication.value("automatic_failover", false) ? "yes" : "paused");
    if (const auto lag = text_at(replication, "lag_bytes"); !lag.empty()) lines.emplace_back("Lag", lag + " bytes");
    if (const auto ago = age(text_at(replication, "checked_at"), now()); !ago.empty())
        lines.emplace_back("Last Check", ago + " ago");
    lines.emplace_back("Epoch", text_at(replication, "epoch"));
    lines.emplace_back("Blocked", text_at(replication, "blocked"));
    for (const auto& alert : replication.value("alerts", Json::array()))
        lines.emplace_back("Alert", text_at(alert, "message"));
    return section("Replication", lines);
}

int replication_status(Session& session, const ReplicationOptions& options) {
    const auto found = session.api.get(instance_path(options.name, "/replication"));
    if (session.print_raw(found)) return exit_ok;
    auto& out = session.console.out;
    out << replication_section(session.console, found);
    if (const auto members = session.api.call("GET", instance_path(options.name, "/replicas")))
        out << members_table(session, *members);
    Table table({"CHANGE OF ROLES", "STATUS", "FROM", "TO", "EPOCH", "LOST BYTES", "AGE"});
    for (const auto& f : found.value("failovers", Json::array()))
        table.add({text_at(f, "kind"), text_at(f, "status"), text_at(f, "old_primary"), text_at(f, "new_primary"),
                   text_at(f, "epoch"), text_at(f, "data_loss_bytes"), age(text_at(f, "started_at"), now())});
    if (table.size() > 0) out << session.text_of(table);
    return exit_ok;
}

int switchover(Session& session, const ReplicationOptions& options) { return change(session, "switchover", options); }
int failover(Session& session, const ReplicationOptions& options) { return change(session, "failover", options); }
int promote(Session& session, const ReplicationOptions& options) { return change(session, "promote", options); }
int resync(Session& session, const ReplicationOptions& options) { return change(session, "resync", options); }
int hold(Session& session, const ReplicationOptions& options) { return change(session, "hold", options); }
int resume(Session& session, const ReplicationOptions& options) { return change(session, "resume", options); }

int list_replicas(Session& session, const ReplicationOptions& options) {
    const auto found = session.api.get(instance_path(options.name, "/replicas"));
    if (session.print_raw(found)) return exit_ok;
    session.console.out << members_table(session, found);
    return exit_ok;
}

int add_replica(Session& session, const ReplicationOptions& options) {
    Json body = Json::object();
    if (options.mode) body["mode"] = *options.mode;
    if (options.zone) body["zone"] = *options.zone;
    if (options.max_lag_bytes) body["max_lag_bytes"] = *options.max_lag_bytes;
    const auto began = now();
    const auto result =
        carry_out(session, "add", "POST", instance_path(options.name, "/replicas"), std::move(body), options);
    if (!result.is_null())
        print_done(session,
                   fmt::format("{} is a standby of {}, which is {}", text_at(result, "member"), options.name,
                               text_at(result, "state")),
                   began);
    return exit_ok;
}

int remove_replica(Session& session, const ReplicationOptions& options) {
    if (!session.console.confirmed(options.yes,
                                   fmt::format("Remove {} of {} with its disk?", options.target, options.name),
                                   "the member's disk goes with it"))
        return exit_failed;
    const auto began = now();
    auto target = instance_path(options.name, "/replicas/" + http::percent_encode(options.target));
    if (!options.reason.empty()) target += "?reason=" + http::percent_encode(options.reason);
    const auto result = carry_out(session, "removal", "DELETE", target, {}, options);
    if (!result.is_null())
        print_done(
            session,
            fmt::format("{} is gone; {} is {}", text_at(result, "member"), options.name, text_at(result, "state")),
            began);
    return exit_ok;
}

int verify(Session& session, const ReplicationOptions& given) {
    auto options = given;
    options.wait = true;
    Json body = Json::object();
    if (options.handover_timeout) body["timeout"] = *options.handover_timeout;
    const auto began = now();
    auto answer = session.api.send("POST", instance_path(options.name, "/verify"), body, random_uuid());
    const auto operation = value_or_raise(wait_for_operation(session, answer.at("operation"), options.timeout));
    if (session.print_raw(operation)) return exit_ok;
    const auto& result = operation.at("result");
    Table table({"STANDBY", "MARKER", "AFTER"});
    for (const auto& standby : result.at("standbys"))
        table.add({text_at(standby, "member"), standby.value("readable", false) ? "readable" : "missing",
                   text_at(standby, "after_ms") + " ms"});
    session.console.out << session.text_of(table);
    print_done(session,
               fmt::format("What {} commits can be read on every standby (committed in {} ms)",
                           text_at(result, "primary"), text_at(result, "committed_ms")),
               began);
    return exit_ok;
}

int configure(Session& session, const ReplicationOptions& options) {
    Json body = Json::object();
    if (options.mode) body["mode"] = *options.mode;
    if (options.durability) body["durability"] = *options.durability;
    if (!options.policy.empty()) body["policy"] = policy_of(options.policy);
    const auto began = now();
    const auto result = carry_out(session, "configuration", "PATCH", instance_path(options.name, "/replication"),
                                  std::move(body), options);
    if (!result.is_null())
        print_done(session, fmt::format("{} is configured; it is {}", options.name, text_at(result, "state")), began);
    return exit_ok;
}

int pause_failover(Session& session, const ReplicationOptions& options) {
    return set_automatic(session, options, false);
}
int unpause_failover(Session& session, const ReplicationOptions& options) {
    return set_automatic(session, options, true);
}

}  // namespace toygres::cli
