// The group "schedules" of verbs.
#include "cli/parse_helpers.hpp"

namespace toygres::cli {
namespace {

CLI::App* add_named(CLI::App& group, const std::string& name, const std::string& description, ScheduleOptions& o) {
    auto* verb = add(group, name, description);
    verb->add_option("NAME", o.name, "Name of the schedule")->required();
    return verb;
}

// What a schedule is made of; of "change", what is left out stays.
void add_spec(CLI::App* verb, ScheduleOptions& o, bool required) {
    verb->add_option("--cron", o.cron,
                     "\"MINUTE HOUR DAY MONTH WEEKDAY\", or @hourly, @daily, @weekly, @monthly, @yearly")
        ->required(required);
    verb->add_option("--type,-t", o.type, "Type of the orchestration that each run is")->required(required);
    verb->add_option("--zone,-z", o.zone, "Time zone, such as Europe/Berlin [UTC]");
    verb->add_option("--input", o.input, "Of each run, JSON");
    verb->add_option("--overlap", o.overlap, "When a run comes due while one is under way [skip]")
        ->check(CLI::IsMember({"skip", "buffer_one", "allow", "cancel_running"}));
    verb->add_option("--catch-up", o.catch_up, "A run that is late by more is missed [60s]")->type_name("DURATION");
    verb->add_option("--jitter", o.jitter, "Delay each run by a random part of this [0s]")->type_name("DURATION");
    verb->add_option("--note", o.note, "For people");
}

}  // namespace

void add_schedule_verbs(CLI::App& app, CommandLine& line) {
    auto& o = line.schedule;
    auto* group = add(app, "schedules", "Start orchestrations by the clock")->alias("schedule");
    group->require_subcommand(1);

    auto* create = add_named(*group, "create", "Make a schedule", o);
    add_spec(create, o, true);
    create->add_flag("--paused", o.paused, "Nothing starts until it is resumed");
    runs(create, line, &create_schedule, o);

    runs(add(*group, "list", "List schedules, newest first"), line, &list_schedules, o);
    auto* show = add_named(*group, "show", "Show one schedule, its next times and its last runs", o)->alias("get");
    runs(show, line, &show_schedule, o);

    auto* change = add_named(*group, "change", "Change a schedule; what is not given stays as it is", o);
    add_spec(change, o, false);
    runs(change, line, &change_schedule, o);

    const std::pair<const char*, const char*> orders[] = {{"pause", "Start nothing until it is resumed"},
                                                          {"resume", "Go on; what passed meanwhile is not made up"},
                                                          {"trigger", "Start a run now, paused or not"}};
    for (const auto& [name, description] : orders) {
        auto* verb = add_named(*group, name, description, o);
        if (std::string_view(name) != "trigger") verb->add_option("--note", o.note, "For people: why");
        verb->callback([&line, name] {
            line.schedule.order = name;
            line.remote = [&line](Session& session) { return order_schedule(session, line.schedule); };
        });
    }

    auto* remove = add_named(*group, "delete", "Remove a schedule; runs that are under way go on", o);
    remove->add_flag("--yes,-y", o.yes, "Do not ask");
    runs(remove, line, &delete_schedule, o);
}

}  // namespace toygres::cli
