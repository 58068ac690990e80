#include "api/schedule_bodies.hpp"

#include "runtime/schedule/zone.hpp"

#include <fmt/format.h>

namespace toygres::api {
namespace {

using namespace std::chrono_literals;
using runtime::Overlap;
using runtime::Schedule;
using std::chrono::milliseconds;

constexpr std::size_t name_length_max = 63;
constexpr std::size_t note_length_max = 500;
// Less would miss runs for want of a moment's quickness: a takeover takes some seconds.
constexpr milliseconds catch_up_min = 10s;
constexpr milliseconds catch_up_default = 60s;
constexpr milliseconds catch_up_max = 24h * 365;
constexpr milliseconds jitter_max = 24h;

bool is_name(const std::string& text) {
    const auto sane = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
    return !text.empty() && text.size() <= name_length_max && std::ranges::all_of(text, sane) && text.front() >= 'a' &&
           text.back() != '-';
}

milliseconds duration(const char* field, const std::optional<std::string>& text, milliseconds otherwise,
                      milliseconds low, milliseconds high, std::vector<FieldError>& wrong) {
    const auto value = text ? parse_duration(*text) : otherwise;
    if (value && *value >= low && *value <= high) return *value;
    wrong.push_back(
        {field, fmt::format("must be a duration from {}s to {}d, such as 60s or 2h", low / 1s, high / 24h)});
    return otherwise;
}

// So that it can be given back as it is shown.
std::string duration_text(milliseconds d) {
    const std::pair<milliseconds, const char*> units[] = {{24h, "d"}, {1h, "h"}, {1min, "m"}, {1s, "s"}, {1ms, "ms"}};
    for (const auto& [unit, name] : units)
        if (d >= unit && d % unit == 0ms) return fmt::format("{}{}", d / unit, name);
    return "0s";
}

runtime::ScheduleSpec read(const ScheduleBody& body, const std::function<bool(const std::string&)>& is_known,
                           std::vector<FieldError>& wrong) {
    const auto zone = body.zone.value_or("UTC");
    const auto known_zone = runtime::Zone::find(zone);
    if (!known_zone) wrong.push_back({"zone", known_zone.error().message});
    // A line is judged also when its zone is none.
    if (const auto times = runtime::check_times(body.cron, known_zone ? zone : "UTC"); !times)
        wrong.push_back({"cron", times.error().message});
    if (body.type == Schedule::name || !is_known(body.type))
        wrong.push_back({"type", fmt::format("there are no orchestrations of type \"{}\" to be scheduled; "
                                             "\"toygres orchestrations counts\" shows types",
                                             body.type)});
    const auto overlap = enum_from<Overlap>(body.overlap.value_or("skip"));
    if (!overlap) wrong.push_back({"overlap", "must be skip, buffer_one, allow or cancel_running"});
    if (auto note = check_note(body.note)) wrong.push_back(*std::move(note));
    return {body.cron,
            zone,
            body.type,
            body.input,
            overlap.value_or(Overlap::skip),
            duration("catch_up", body.catch_up, catch_up_default, catch_up_min, catch_up_max, wrong),
            duration("jitter", body.jitter, 0s, 0s, jitter_max, wrong)};
}

}  // namespace

std::optional<FieldError> check_note(const std::optional<std::string>& note) {
    if (!note || note->size() <= note_length_max) return std::nullopt;
    return FieldError{"note", fmt::format("must be at most {} bytes", note_length_max)};
}

Result<runtime::ScheduleSpec> check(const ScheduleBody& body, const std::function<bool(const std::string&)>& is_known) {
    std::vector<FieldError> wrong;
    auto out = read(body, is_known, wrong);
    if (!wrong.empty()) return std::unexpected(invalid_fields(std::move(wrong)));
    return out;
}

Result<runtime::ScheduleSpec> check(const CreateScheduleBody& body,
                                    const std::function<bool(const std::string&)>& is_known) {
    std::vector<FieldError> wrong;
    if (!is_name(body.name))
        wrong.push_back(
            {"name", fmt::format("must be 1 to {} of a-z, 0-9 and -, begin with a letter and not end with -",
                                 name_length_max)});
    auto out = read(body, is_known, wrong);
    if (!wrong.empty()) return std::unexpected(invalid_fields(std::move(wrong)));
    return out;
}

Json view_schedule(const runtime::OrchestrationRow& row) {
    const auto given = decode<Schedule::Input>(row.input);
    // None yet before the first turn.
    const auto progress =
        row.custom_status.is_null() ? given.progress : decode<runtime::ScheduleProgress>(row.custom_status);
    Json out = {{"name", given.name},
                {"cron", given.spec.cron},
                {"zone", given.spec.zone},
                {"type", given.spec.type},
                {"overlap", enum_name(given.spec.overlap)},
                {"catch_up", duration_text(given.spec.catch_up)},
                {"jitter", duration_text(given.spec.jitter)},
                {"paused", progress.paused},
                {"started", progress.started},
                {"skipped", progress.skipped},
                {"missed", progress.missed},
                {"orchestration", row.id},
                {"status", enum_name(row.status)},
                {"created_at", format_rfc3339(row.created_at)}};
    const auto add = [&out](const char* name, Json value) {
        if (!value.is_null()) out[name] = std::move(value);
    };
    add("input", given.spec.input);
    if (!progress.note.empty()) out["note"] = progress.note;
    add("next_run_at", encode(progress.next));
    add("starts_at", encode(progress.due));
    add("buffered_for", encode(progress.buffered));
    add("problem", encode(progress.problem));
    out["runs"] = Json::array();
    for (const auto& run : progress.runs) {
        Json item = {{"id", run.id}, {"scheduled_for", encode(run.at)}, {"started_at", encode(run.started_at)}};
        if (run.error) item["error"] = *run.error;
        out["runs"].push_back(std::move(item));
    }
    return out;
}

}  // namespace toygres::api
