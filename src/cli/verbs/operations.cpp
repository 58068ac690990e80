#include "cli/verbs/verbs.hpp"
#include "cli/waiter.hpp"

#include <fmt/format.h>

#include <ostream>

namespace toygres::cli {
namespace {

std::string stage_of(const Json& operation) {
    const auto it = operation.find("progress");
    return it != operation.end() && it->is_object() ? text_at(*it, "stage") : "";
}

std::string error_of(const Json& operation) {
    const auto it = operation.find("error");
    return it != operation.end() && it->is_object() ? text_at(*it, "message") : "";
}

int list_operations(Session& session, const OperationOptions& options) {
    std::string target = "/api/v1/operations";
    add_query(target, "instance", options.instance);
    add_query(target, "state", options.state);
    add_query(target, "sort", options.sort);
    const auto found = all_pages(session, target, "operations", 100);
    if (session.print_raw(found)) return exit_ok;
    Table table({"ID", "KIND", "INSTANCE", "STATE", "STAGE", "CALLER", "AGE"});
    for (const auto& o : found.at("operations"))
        table.add({text_at(o, "id"), text_at(o, "kind"), text_at(o, "instance"), text_at(o, "state"), stage_of(o),
                   text_at(o, "caller"), age(text_at(o, "created_at"), now())});
    if (table.size() > 0) session.console.out << session.text_of(table) << "\n";
    session.console.out << fmt::format("{} operation{} found\n", table.size(), table.size() == 1 ? "" : "s");
    return exit_ok;
}

}  // namespace

int operation(Session& session, const OperationOptions& options) {
    if (options.id.empty() || options.id == "list") return list_operations(session, options);
    auto o = session.api.get("/api/v1/operations/" + http::percent_encode(options.id));
    if (options.wait) o = value_or_raise(wait_for_operation(session, o, options.timeout));
    if (session.print_raw(o)) return exit_ok;
    const auto created = text_at(o, "created_at");
    const auto finished = text_at(o, "finished_at");
    session.console.out << section("Operation: " + text_at(o, "id"),
                                   {{"Kind", text_at(o, "kind")},
                                    {"Instance", text_at(o, "instance")},
                                    {"State", text_at(o, "state")},
                                    {"Stage", stage_of(o)},
                                    {"Waits For", text_at(o, "state") == "running" ? trouble_of(o) : ""},
                                    {"Error", error_of(o)},
                                    {"Orchestration", text_at(o, "orchestration")},
                                    {"Caller", text_at(o, "caller")},
                                    {"Request", text_at(o, "request_id")},
                                    {"Created", time_text(created)},
                                    {"Finished", finished.empty() ? "" : time_text(finished)}});
    return exit_ok;
}

}  // namespace toygres::cli
