#include "cli/verbs/verbs.hpp"
#include "cli/waiter.hpp"

#include <fmt/format.h>

#include <ostream>

namespace toygres::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto poll_interval = 250ms;
constexpr auto patience = 1min;  // with a server that does not answer

bool is_action(const Json& finding) { return !text_at(finding, "repair").empty() && text_at(finding, "kept").empty(); }

std::string in_words(const Json& finding) {
    const auto kept = text_at(finding, "kept");
    if (kept.empty()) return text_at(finding, "repair").empty() ? "" : "would " + text_at(finding, "repair");
    if (kept == "monitor") return "its monitor mends it";
    if (kept == "volume") return "kept: it holds data (--remove-volumes)";
    if (kept == "volume_stays") return "kept with its volume";
    if (kept == "too_young") return "kept: too young (--grace)";
    if (kept == "other_installation") return "kept: another installation's";
    if (kept == "live_instance") return "kept: its instance lives";
    if (kept == "certificates") return "kept: the key of its CA is lost";
    return "kept: " + kept;
}

void print(Session& session, const Json& findings) {
    Table table({"TYPE", "OBJECT", "INSTANCE", "REASON", "AGE", "REPAIR"});
    for (const auto& f : findings)
        table.add({text_at(f, "type"), text_at(f, "kind") + " " + text_at(f, "object"), text_at(f, "instance"),
                   text_at(f, "reason"), age(text_at(f, "created_at"), now()), in_words(f)});
    if (table.size() > 0) session.console.out << session.text_of(table) << "\n";
    session.console.out << fmt::format("{} difference{} found\n", table.size(), table.size() == 1 ? "" : "s");
}

Json await_end(Session& session, const std::string& id) {
    for (auto silent_since = now();;) {
        const auto row = session.api.call("GET", orchestration_path(id));
        if (row) {
            silent_since = now();
            const auto status = text_at(*row, "status");
            if (status != "pending" && status != "running" && status != "paused") return *row;
        } else if (!is_passing(row.error()) || now() - silent_since > patience) {
            throw ErrorException(row.error());
        }
        session.api.pause(poll_interval);
    }
}

int print_outcome(Session& session, const Json& ended) {
    if (text_at(ended, "status") != "completed")
        raise(ErrorKind::internal, "operation_failed",
              fmt::format("the repair ended as {}: {}", text_at(ended, "status"),
                          text_at(ended.value("error", Json::object()), "message")));
    const auto& output = ended.at("output");
    int failed = 0;
    for (const auto& action : output.at("actions")) {
        const auto error = action.value("error", Json());
        failed += error.is_object() ? 1 : 0;
        session.console.out << fmt::format(
            "{} {} {} {}{}\n", error.is_object() ? session.console.paint("✗", "31") : session.console.paint("✓", "32"),
            text_at(action, "repair"), text_at(action, "kind"), text_at(action, "object"),
            error.is_object() ? ": " + text_at(error, "message") : "");
    }
    if (output.value("more", false)) session.console.out << "There is more to mend: repair once more.\n";
    return failed == 0 ? exit_ok : exit_operation_failed;
}

int repair(Session& session, const DriftOptions& options, std::ptrdiff_t actions) {
    if (actions == 0) {
        session.console.out << "There is nothing to repair.\n";
        return exit_ok;
    }
    const auto question = fmt::format("Do that to {} object{}{}?", actions, actions == 1 ? "" : "s",
                                      options.remove_volumes ? ", volumes with their data included" : "");
    if (!session.console.confirmed(options.yes, question, "it removes and makes objects in the cluster"))
        return exit_failed;
    Json body = {{"dry_run", false}, {"remove_volumes", options.remove_volumes}};
    if (!options.grace.empty()) body["grace"] = options.grace;
    const auto begun = value_or_raise(session.api.call("POST", "/api/v1/system/drift/repair", std::move(body)));
    const auto ended = await_end(session, text_at(begun, "orchestration"));
    if (session.print_raw(ended)) return exit_ok;
    return print_outcome(session, ended);
}

}  // namespace

int drift(Session& session, const DriftOptions& options) {
    std::string target = "/api/v1/system/drift";
    add_query(target, "grace", options.grace);
    if (options.remove_volumes) add_query(target, "remove_volumes", "true");
    const auto found = session.api.get(target);
    const auto& findings = found.at("findings");
    if (!options.repair && session.print_raw(found)) return exit_ok;
    if (session.format == Format::table || session.format == Format::wide) print(session, findings);
    if (!options.repair) return exit_ok;
    return repair(session, options, std::ranges::count_if(findings, is_action));
}

}  // namespace toygres::cli
