// The group "orchestrations" of verbs.
#include "cli/parse_helpers.hpp"

namespace toygres::cli {
namespace {

void add_filter(CLI::App* verb, OrchestrationListOptions& o) {
    verb->add_option("--name,-t", o.name, "Of this type");
    verb->add_option("--status,-s", o.status);
    verb->add_option("--id-prefix", o.id_prefix);
    verb->add_option("--tag", o.tags, "That have this tag")->type_name("NAME=VALUE");
    add_duration(verb, "--since", [&o](auto value) { o.since = value; }, "Started no longer ago than this");
}

}  // namespace

void add_orchestration_verbs(CLI::App& app, CommandLine& line) {
    auto* group = add(app, "orchestrations", "See and steer the workflows behind operations")->alias("orch");
    group->require_subcommand(1);
    auto* list_verb = add(*group, "list", "List orchestrations, newest first");
    line.orchestration_list.limit = 20;
    add_filter(list_verb, line.orchestration_list);
    list_verb->add_option("-l,--limit", line.orchestration_list.limit, "0: all")->capture_default_str();
    runs(list_verb, line, &list_orchestrations, line.orchestration_list);

    auto* counts = add(*group, "counts", "Count orchestrations by type and status");
    add_filter(counts, line.orchestration_list);
    runs(counts, line, &count_orchestrations, line.orchestration_list);

    auto* show = add(*group, "show", "Show one orchestration")->alias("get");
    show->add_option("ID", line.orchestration_show.id)->required();
    show->add_flag("--history", line.orchestration_show.history, "Every event as it is stored");
    show->add_flag("--all,-a", line.orchestration_show.all, "Also the middle of a long history");
    show->add_option("--execution", line.orchestration_show.execution, "[the current one]");
    runs(show, line, &show_orchestration, line.orchestration_show);

    auto* start = add(*group, "start", "Start an orchestration of a type that the server knows");
    start->add_option("TYPE", line.start.type)->required();
    start->add_option("--id", line.start.id, "What it is called from now on")->required();
    start->add_option("--input", line.start.input, "JSON");
    start->add_option("--on-conflict", line.start.on_conflict, "When one has this id already [fail]")
        ->check(CLI::IsMember({"fail", "use_existing", "replace_terminal"}));
    start->add_option("--tag", line.start.tags, "May be repeated")->type_name("NAME=VALUE");
    start->add_option("--request-id", line.start.request_id, "The same request again is done once");
    runs(start, line, &start_orchestration, line.start);

    auto* signal = add(*group, "signal", "Send a signal");
    signal->add_option("ID", line.signal.id)->required();
    signal->add_option("SIGNAL", line.signal.name)->required();
    signal->add_option("--payload", line.signal.payload, "JSON");
    signal->add_option("--dedup-key", line.signal.dedup_key, "A second signal with the same key is dropped");
    signal->add_option("--start", line.signal.start, "Start one of this type first, unless it runs")->type_name("TYPE");
    signal->add_option("--input", line.signal.input, "Of what is started, JSON")->needs("--start");
    signal->add_flag("--replace", line.signal.replace, "Start it also when one of this id has ended")->needs("--start");
    runs(signal, line, &signal_orchestration, line.signal);

    auto* query = add(*group, "query", "Ask an orchestration about its live state");
    query->add_option("ID", line.query.id)->required();
    query->add_option("QUERY", line.query.name)->required();
    query->add_option("--input", line.query.input, "JSON");
    runs(query, line, &query_orchestration, line.query);

    auto* update = add(*group, "update", "Change the live state of an orchestration, if its code agrees");
    update->add_option("ID", line.update.id)->required();
    update->add_option("UPDATE", line.update.name)->required();
    update->add_option("--input", line.update.input, "JSON");
    update->add_option("--request-id", line.update.request_id, "The same request again is done once");
    runs(update, line, &update_orchestration, line.update);

    auto* cancel = add(*group, "cancel", "Ask an orchestration to stop and clean up");
    line.cancel.reason = "cancelled from the command line";
    cancel->add_option("ID", line.cancel.id)->required();
    cancel->add_option("--reason", line.cancel.reason)->capture_default_str();
    runs(cancel, line, &cancel_orchestration, line.cancel);

    auto* terminate = add(*group, "terminate", "End an orchestration at once, without its cleaning up");
    line.terminate.reason = "terminated from the command line";
    terminate->add_option("ID", line.terminate.id)->required();
    terminate->add_option("--reason", line.terminate.reason)->capture_default_str();
    terminate->add_flag("--yes,-y", line.terminate.yes, "Do not ask");
    runs(terminate, line, &terminate_orchestration, line.terminate);

    const std::pair<const char*, const char*> orders[] = {
        {"pause", "Keep an orchestration from going on until it is resumed"},
        {"resume", "Let a paused orchestration go on, or try one again that is stuck"},
        {"retry", "Begin an ended orchestration again with the step that failed"}};
    for (const auto& [name, description] : orders) {
        auto* order = add(*group, name, description);
        order->add_option("ID", line.order.id)->required();
        order->callback([&line, name] {
            line.order.order = name;
            line.remote = [&line](Session& session) { return order_orchestration(session, line.order); };
        });
    }

    auto* reset = add(*group, "reset", "Begin an ended orchestration again from an event of its history");
    reset->add_option("ID", line.reset.id)->required();
    reset->add_option("--event", line.reset.event, "The first to be forgotten, as \"show --history\" numbers them")
        ->required()
        ->check(CLI::PositiveNumber);
    runs(reset, line, &reset_orchestration, line.reset);
}

}  // namespace toygres::cli
