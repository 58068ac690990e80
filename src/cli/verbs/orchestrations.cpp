#include "cli/history_tree.hpp"
#include "cli/verbs/verbs.hpp"

#include <fmt/format.h>

#include <ostream>

namespace toygres::cli {
namespace {

std::string version_of(const Json& orchestration) {
    const auto version = text_at(orchestration, "version");
    return version.empty() ? "" : "v" + version;
}

void print_events(Session& session, const Json& history) {
    Table table({"EVENT", "KIND", "NAME", "OF", "AT", "DATA"});
    for (const auto& e : history.at("events")) {
        auto data = text_at(e, "data");
        if (data.size() > 80) data = data.substr(0, 77) + "...";
        table.add({text_at(e, "event"), text_at(e, "kind"), text_at(e, "name"), text_at(e, "of"),
                   e.contains("at") ? time_text(text_at(e, "at")) : "", data});
    }
    session.console.out << fmt::format("\nHistory of execution {}\n", history.at("execution").dump())
                        << session.text_of(table);
}

// Null when it is not there (any more).
Json history_of(Session& session, const std::string& id) {
    auto found = session.api.call("GET", orchestration_path(id, "/history"));
    if (found) return *std::move(found);
    if (found.error().kind == ErrorKind::not_found) return nullptr;
    throw ErrorException(found.error());
}

void print_tree(Session& session, const Json& history, bool all) {
    const auto tree = draw_history(history, [&](const std::string& id) { return history_of(session, id); },
                                   {.now = now(), .lines_max = all ? std::size_t{0} : TreeOptions{}.lines_max});
    session.console.out << fmt::format("\nExecution {}\n", history.at("execution").dump())
                        << (tree.empty() ? "nothing was done yet\n" : tree);
}

std::string with_filter(std::string target, const OrchestrationListOptions& options) {
    add_query(target, "name", options.name);
    add_query(target, "status", options.status);
    add_query(target, "id_prefix", options.id_prefix);
    add_query(target, "tags", fmt::format("{}", fmt::join(options.tags, ",")));
    if (options.since.count() > 0) add_query(target, "created_after", format_rfc3339(now() - options.since));
    return target;
}

// `flag` names where the text comes from.
Json json_given(const std::string& flag, const std::string& text) {
    auto value = parse_json(text);
    if (!value) raise(ErrorKind::invalid, "bad_payload", flag + " must be JSON: " + value.error().message);
    return *std::move(value);
}

}  // namespace

int list_orchestrations(Session& session, const OrchestrationListOptions& options) {
    const auto found =
        all_pages(session, with_filter("/api/v1/orchestrations", options), "orchestrations", options.limit);
    if (session.print_raw(found)) return exit_ok;
    Table table({"ID", "TYPE", "VERSION", "STATUS", "STARTED"});
    for (const auto& o : found.at("orchestrations"))
        table.add({text_at(o, "id"), text_at(o, "name"), version_of(o), text_at(o, "status"),
                   age(text_at(o, "created_at"), now()) + " ago"});
    if (table.size() > 0) session.console.out << session.text_of(table) << "\n";
    session.console.out << fmt::format("{} orchestration{} found\n", table.size(), table.size() == 1 ? "" : "s");
    return exit_ok;
}

int count_orchestrations(Session& session, const OrchestrationListOptions& options) {
    const auto found = session.api.get(with_filter("/api/v1/orchestration-counts", options));
    if (session.print_raw(found)) return exit_ok;
    Table table({"TYPE", "STATUS", "COUNT"});
    for (const auto& c : found.at("counts")) table.add({text_at(c, "name"), text_at(c, "status"), text_at(c, "count")});
    session.console.out << (table.size() > 0 ? session.text_of(table) : "no orchestrations found\n");
    return exit_ok;
}

int show_orchestration(Session& session, const OrchestrationShowOptions& options) {
    auto o = session.api.get(orchestration_path(options.id));
    if (!options.history && session.print_raw(o)) return exit_ok;
    auto target = orchestration_path(options.id, "/history");
    if (options.execution > 0) add_query(target, "execution", std::to_string(options.execution));
    const auto history = session.api.get(target);
    o["history"] = history;
    if (session.print_raw(o)) return exit_ok;
    const auto finished = text_at(o, "finished_at");
    const auto parent = o.find("parent");
    session.console.out << section("Orchestration: " + text_at(o, "id"),
                                   {{"Type", text_at(o, "name")},
                                    {"Version", version_of(o)},
                                    {"Status", text_at(o, "status")},
                                    {"Execution", "#" + text_at(o, "execution")},
                                    {"Parent", parent != o.end() ? text_at(*parent, "id") : ""},
                                    {"Progress", text_at(o, "custom_status")},
                                    {"Created", time_text(text_at(o, "created_at"))},
                                    {"Updated", time_text(text_at(o, "updated_at"))},
                                    {"Finished", finished.empty() ? "" : time_text(finished)},
                                    {"Input", text_at(o, "input")},
                                    {"Output", text_at(o, "output")},
                                    {"Error", text_at(o, "error")}});
    if (options.history)
        print_events(session, history);
    else
        print_tree(session, history, options.all);
    return exit_ok;
}

int start_orchestration(Session& session, const StartOptions& options) {
    Json body = {{"id", options.id}, {"type", options.type}};
    if (!options.input.empty()) body["input"] = json_given("--input", options.input);
    if (!options.on_conflict.empty()) body["on_conflict"] = options.on_conflict;
    if (!options.request_id.empty()) body["request_id"] = options.request_id;
    for (const auto& tag : options.tags) {
        const auto sign = tag.find('=');
        if (sign == 0 || sign == std::string::npos)
            raise(ErrorKind::invalid, "usage", "--tag must be NAME=VALUE, not \"" + tag + "\"");
        body["tags"][tag.substr(0, sign)] = tag.substr(sign + 1);
    }
    const auto answer = value_or_raise(session.api.call("POST", "/api/v1/orchestrations", body));
    if (session.print_raw(answer)) return exit_ok;
    session.console.out << options.id << (answer.at("started").get<bool>() ? " starts" : " is there already") << "\n";
    return exit_ok;
}

int signal_orchestration(Session& session, const SignalOptions& options) {
    Json body = {{"name", options.name}};
    if (!options.payload.empty()) body["payload"] = json_given("--payload", options.payload);
    if (!options.start.empty()) {
        body["start"] = {{"name", options.start}, {"replace_ended", options.replace}};
        if (!options.input.empty()) body["start"]["input"] = json_given("--input", options.input);
    }
    if (!options.dedup_key.empty()) body["dedup_key"] = options.dedup_key;
    const auto answer = value_or_raise(session.api.call("POST", orchestration_path(options.id, "/signal"), body));
    if (session.print_raw(answer)) return exit_ok;
    if (answer.value("started", false)) session.console.out << options.id << " starts\n";
    session.console.out << "The signal is in the inbox of " << options.id << "\n";
    return exit_ok;
}

namespace {

int ask(Session& session, const char* what, const QuestionOptions& options) {
    Json body = {{"name", options.name}};
    if (!options.input.empty()) body["input"] = json_given("--input", options.input);
    if (!options.request_id.empty()) body["request_id"] = options.request_id;
    const auto answer = value_or_raise(session.api.call("POST", orchestration_path(options.id, what), body));
    if (!session.print_raw(answer)) session.console.out << answer.at("output").dump(2) << "\n";
    return exit_ok;
}

}  // namespace

int query_orchestration(Session& session, const QuestionOptions& options) { return ask(session, "/query", options); }
int update_orchestration(Session& session, const QuestionOptions& options) { return ask(session, "/update", options); }

int cancel_orchestration(Session& session, const CancelOptions& options) {
    const auto answer = value_or_raise(
        session.api.call("POST", orchestration_path(options.id, "/cancel"), {{"reason", options.reason}}));
    if (!session.print_raw(answer)) session.console.out << "Asked " << options.id << " to stop\n";
    return exit_ok;
}

int terminate_orchestration(Session& session, const TerminateOptions& options) {
    if (!session.console.confirmed(options.yes,
                                   fmt::format("End {} without cleaning up what it has begun?", options.id),
                                   "what it has begun is not cleaned up"))
        return exit_failed;
    const auto answer = value_or_raise(
        session.api.call("POST", orchestration_path(options.id, "/terminate"), {{"reason", options.reason}}));
    if (!session.print_raw(answer)) session.console.out << options.id << " ends\n";
    return exit_ok;
}

int order_orchestration(Session& session, const OrderOptions& options) {
    const auto answer = value_or_raise(session.api.call("POST", orchestration_path(options.id, "/" + options.order)));
    if (session.print_raw(answer)) return exit_ok;
    const auto* words = options.order == "pause"    ? " pauses: \"resume\" lets it go on"
                        : options.order == "resume" ? " goes on"
                                                    : " begins again with the step that failed";
    session.console.out << options.id << words << "\n";
    return exit_ok;
}

int reset_orchestration(Session& session, const ResetOptions& options) {
    const auto answer =
        value_or_raise(session.api.call("POST", orchestration_path(options.id, "/reset"), {{"event", options.event}}));
    if (!session.print_raw(answer))
        session.console.out << fmt::format("{} begins again before event {}\n", options.id, options.event);
    return exit_ok;
}

int version(Session& session) {
    Json out = {{"client", TOYGRES_VERSION}};
    const auto server = session.api.call("GET", "/version");
    if (server) out["server"] = *server;
    if (session.print_raw(out)) return exit_ok;
    session.console.out << "toygres " TOYGRES_VERSION "\n";
    if (server)
        session.console.out << fmt::format(
            "server {} at {}, PostgreSQL {}\n", text_at(*server, "version"), session.api.settings().api_url,
            fmt::join(server->value("postgres_versions", std::vector<std::string>()), ", "));
    else
        session.console.err << server.error().message << "\n";
    return exit_ok;
}

}  // namespace toygres::cli
