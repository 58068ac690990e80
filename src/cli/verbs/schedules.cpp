#include "base/crypto.hpp"
#include "cli/verbs/verbs.hpp"

#include <fmt/format.h>

#include <ostream>

namespace toygres::cli {
namespace {

// What a schedule is made of, as the API takes and shows it.
constexpr const char* spec_members[] = {"cron", "zone", "type", "input", "overlap", "catch_up", "jitter", "note"};

void add_given(Json& body, const ScheduleOptions& o) {
    const auto add = [&body](const char* name, const std::optional<std::string>& text) {
        if (text) body[name] = *text;
    };
    add("cron", o.cron);
    add("zone", o.zone);
    add("type", o.type);
    add("overlap", o.overlap);
    add("catch_up", o.catch_up);
    add("jitter", o.jitter);
    add("note", o.note);
    if (!o.input) return;
    auto input = parse_json(*o.input);
    if (!input) raise(ErrorKind::invalid, "bad_payload", "--input must be JSON: " + input.error().message);
    body["input"] = *std::move(input);
}

std::string state_of(const Json& schedule) {
    const auto status = text_at(schedule, "status");
    if (status != "running" && status != "pending") return status;  // of its orchestration: paused or stuck
    if (schedule.contains("problem")) return "in trouble";
    return schedule.value("paused", false) ? "paused" : "active";
}

// "2026-11-22 03:00:00"; empty when there is none.
std::string time_at(const Json& object, const char* key) {
    const auto text = text_at(object, key);
    return text.empty() ? "" : time_text(text);
}

std::string upcoming_of(const Json& schedule) {
    std::string out;
    for (const auto& time : schedule.value("upcoming", Json::array()))
        out += (out.empty() ? "" : ", ") + time_text(time.get<std::string>());
    return out;
}

}  // namespace

int create_schedule(Session& session, const ScheduleOptions& options) {
    Json body = {{"name", options.name}};
    if (options.paused) body["paused"] = true;
    add_given(body, options);
    const auto made = value_or_raise(session.api.call("POST", "/api/v1/schedules", body));
    if (!session.print_raw(made))
        session.console.out << fmt::format("Schedule {} is there{}\n", options.name,
                                           options.paused ? ", paused: \"resume\" lets it begin" : "");
    return exit_ok;
}

int list_schedules(Session& session, const ScheduleOptions&) {
    const auto found = all_pages(session, "/api/v1/schedules", "schedules");
    if (session.print_raw(found)) return exit_ok;
    Table table({"NAME", "STATE", "CRON", "ZONE", "TYPE", "NEXT (UTC)", "STARTED", "SKIPPED", "MISSED"});
    for (const auto& s : found.at("schedules"))
        table.add({text_at(s, "name"), state_of(s), text_at(s, "cron"), text_at(s, "zone"), text_at(s, "type"),
                   time_at(s, "next_run_at"), text_at(s, "started"), text_at(s, "skipped"), text_at(s, "missed")});
    if (table.size() > 0) session.console.out << session.text_of(table) << "\n";
    session.console.out << fmt::format("{} schedule{} found\n", table.size(), table.size() == 1 ? "" : "s");
    return exit_ok;
}

int show_schedule(Session& session, const ScheduleOptions& options) {
    const auto s = session.api.get(schedule_path(options.name));
    if (session.print_raw(s)) return exit_ok;
    const auto jitter = text_at(s, "jitter");
    session.console.out << section(
        "Schedule: " + text_at(s, "name"),
        {{"State", state_of(s)},
         {"Note", text_at(s, "note")},
         {"Problem", text_at(s, "problem")},
         {"Cron", fmt::format("{} ({})", text_at(s, "cron"), text_at(s, "zone"))},
         {"Type", text_at(s, "type")},
         {"Input", text_at(s, "input")},
         {"Overlap", text_at(s, "overlap")},
         {"Catch-up", text_at(s, "catch_up")},
         {"Jitter", jitter == "0s" ? "" : fmt::format("{}, so next at {}", jitter, time_at(s, "starts_at"))},
         {"Next (UTC)", upcoming_of(s)},
         {"Waiting", time_at(s, "buffered_for")},
         {"Runs", fmt::format("{} started, {} skipped, {} missed", text_at(s, "started"), text_at(s, "skipped"),
                              text_at(s, "missed"))},
         {"Created", time_at(s, "created_at")}});
    Table table({"RUN", "STARTED", "STATUS"});
    for (const auto& run : s.at("runs"))
        table.add({text_at(run, "id"), time_at(run, "started_at"),
                   run.contains("error") ? text_at(run, "error") : text_at(run, "status")});
    if (table.size() > 0) session.console.out << "\n" << session.text_of(table);
    return exit_ok;
}

int change_schedule(Session& session, const ScheduleOptions& options) {
    const auto before = session.api.get(schedule_path(options.name));
    Json body = Json::object();
    for (const auto* member : spec_members)
        if (before.contains(member)) body[member] = before.at(member);
    add_given(body, options);
    const auto answer = value_or_raise(session.api.call("PUT", schedule_path(options.name), body));
    if (!session.print_raw(answer)) session.console.out << options.name << " changes\n";
    return exit_ok;
}

int order_schedule(Session& session, const ScheduleOptions& options) {
    Json body;
    if (options.note) body["note"] = *options.note;
    // Sent again while the answer gets lost: the key makes a second one harmless.
    const auto answer =
        session.api.send("POST", schedule_path(options.name, "/" + options.order), body, random_hex(16));
    if (session.print_raw(answer)) return exit_ok;
    const auto* words = options.order == "pause"    ? " pauses: \"resume\" lets it go on"
                        : options.order == "resume" ? " goes on"
                                                    : " starts a run, as far as its overlap lets it";
    session.console.out << options.name << words << "\n";
    return exit_ok;
}

int delete_schedule(Session& session, const ScheduleOptions& options) {
    if (!session.console.confirmed(options.yes, fmt::format("Remove schedule {}?", options.name),
                                   "nothing brings a schedule back"))
        return exit_failed;
    const auto answer = value_or_raise(session.api.call("DELETE", schedule_path(options.name)));
    if (!session.print_raw(answer)) session.console.out << options.name << " goes; its runs go on\n";
    return exit_ok;
}

}  // namespace toygres::cli
