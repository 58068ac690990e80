#include "base/crypto.hpp"
#include "cli/verbs/verbs.hpp"
#include "cli/waiter.hpp"

#include <fmt/format.h>

#include <ostream>

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

int change(Session& session, const std::string& kind, const ReplicationOptions& options) {
    Json body = Json::object();
    if (!options.target.empty()) body["target"] = options.target;
    if (!options.reason.empty()) body["reason"] = options.reason;
    if (options.handover_timeout) body["timeout"] = *options.handover_timeout;
    if (options.old_primary_action != "convert_to_replica") body["old_primary_action"] = options.old_primary_action;
    if (options.force) body["force"] = true;
    if (options.allow_data_loss) body["allow_data_loss"] = true;
    if (options.dry_run) body["dry_run"] = true;
    const auto began = now();
    auto answer = session.api.send("POST", instance_path(options.name, "/" + kind), body, random_uuid());
    const auto id = text_at(answer.at("operation"), "id");
    if (!options.wait && !options.dry_run) {
        if (session.print_raw(answer)) return exit_ok;
        session.console.out << session.console.paint("✓", "32")
                            << fmt::format(" Accepted: {} of {}\nSee how it gets on:\n  toygres operation {} --wait\n",
                                           kind, options.name, id);
        return exit_ok;
    }
    const auto operation = value_or_raise(wait_for_operation(session, answer.at("operation"), options.timeout));
    if (session.print_raw(operation)) return exit_ok;
    const auto& result = operation.at("result");
    if (options.dry_run)
        session.console.out << fmt::format("Nothing was changed. It would make {} the primary in place of {}{}.\n",
                                           text_at(result, "new_primary"), text_at(result, "old_primary"),
                                           result.value("failover_safe", false)
                                               ? ", and lose nothing that was acknowledged"
                                               : ", and could lose acknowledged commits");
    else
        session.console.out << session.console.paint("✓", "32")
                            << fmt::format(" {} of {} is done: {} is the primary, epoch {} ({})\n", kind, options.name,
                                           text_at(result, "primary"), text_at(result, "epoch"),
                                           format_duration(now() - began));
    return exit_ok;
}

}  // namespace

std::string replication_section(const Console& console, const Json& replication) {
    std::vector<std::pair<std::string, std::string>> lines{{"State", coloured(console, text_at(replication, "state"))}};
    if (text_at(replication, "state") == "single") return section("Replication", lines);
    lines.emplace_back("Mode", fmt::format("{}, {}", text_at(replication, "mode"), text_at(replication, "durability")));
    lines.emplace_back("Failover Safe", replication.value("failover_safe", false) ? "yes" : "no");
    lines.emplace_back("Automatic", replication.value("automatic_failover", false) ? "yes" : "paused");
    if (const auto lag = text_at(replication, "lag_bytes"); !lag.empty()) lines.emplace_back("Lag", lag + " bytes");
    lines.emplace_back("Epoch", text_at(replication, "epoch"));
    lines.emplace_back("Blocked", text_at(replication, "blocked"));
    for (const auto& member : replication.value("members", Json::array()))
        lines.emplace_back(text_at(member, "name"), what_of(member));
    return section("Replication", lines);
}

int replication_status(Session& session, const ReplicationOptions& options) {
    const auto found = session.api.get(instance_path(options.name, "/replication"));
    if (session.print_raw(found)) return exit_ok;
    auto& out = session.console.out;
    out << replication_section(session.console, found);
    Table table({"CHANGE OF ROLES", "STATUS", "FROM", "TO", "EPOCH", "LOST BYTES", "AGE"});
    for (const auto& f : found.value("failovers", Json::array()))
        table.add({text_at(f, "kind"), text_at(f, "status"), text_at(f, "old_primary"), text_at(f, "new_primary"),
                   text_at(f, "epoch"), text_at(f, "data_loss_bytes"), age(text_at(f, "started_at"), now())});
    if (table.size() > 0) out << table.text();
    return exit_ok;
}

int switchover(Session& session, const ReplicationOptions& options) { return change(session, "switchover", options); }
int failover(Session& session, const ReplicationOptions& options) { return change(session, "failover", options); }
int resync(Session& session, const ReplicationOptions& options) { return change(session, "resync", options); }
int hold(Session& session, const ReplicationOptions& options) { return change(session, "hold", options); }
int resume(Session& session, const ReplicationOptions& options) { return change(session, "resume", options); }

}  // namespace toygres::cli
