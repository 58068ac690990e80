#include "api/page.hpp"
#include "api/route.hpp"
#include "api/schedule_bodies.hpp"

#include <fmt/format.h>

namespace toygres::api {
namespace {

using runtime::OrchestrationRow;
using runtime::Schedule;
using runtime::ScheduleOrder;
using runtime::ScheduleVerb;

constexpr int upcoming_shown = 5;

struct NoteBody {
    std::optional<std::string> note;
};
BOOST_DESCRIBE_STRUCT(NoteBody, (), (note))

Error schedule_not_found(const std::string& name) {
    return {ErrorKind::not_found, "schedule_not_found", fmt::format("there is no schedule {}", name)};
}

// The row of a schedule that has not been removed.
asio::awaitable<OrchestrationRow> schedule_of(Call& call) {
    const auto& name = call.param("name");
    auto row = co_await call.services().client.get(runtime::schedule_id(name));
    if (!row && row.error().kind != ErrorKind::not_found) throw ErrorException(row.error());
    if (!row || row->name != Schedule::name || is_finished(row->status)) throw ErrorException(schedule_not_found(name));
    co_return *std::move(row);
}

// 202: it will do so. An Idempotency-Key makes a repeated call harmless.
asio::awaitable<http::Response> tell(Call& call, ScheduleOrder order) {
    const auto row = co_await schedule_of(call);
    const auto sent = co_await call.services().client.signal(row.id, runtime::schedule_order, encode(order),
                                                             call.idempotency_key().value_or(""));
    if (!sent && sent.error().code == "orchestration_finished")
        throw ErrorException(schedule_not_found(call.param("name")));
    value_or_raise(sent);
    co_return json_response({{"name", call.param("name")}}, 202);
}

asio::awaitable<http::Response> create_schedule(Call& call) {
    call.expect_query({});
    const auto body = call.body<CreateScheduleBody>();
    call.set_object(body.name);
    const auto& services = call.services();
    const Schedule::Input input{body.name, value_or_raise(check(body, services.knows_orchestration)),
                                Schedule::beginning(now(), body.paused.value_or(false), body.note.value_or(""))};
    const auto id = runtime::schedule_id(body.name);
    const auto started =
        value_or_raise(co_await services.client.start({.id = id,
                                                       .name = std::string(Schedule::name),
                                                       .input = encode(input),
                                                       .on_conflict = runtime::OnConflict::replace_terminal,
                                                       .tags = {{runtime::schedule_tag, body.name}}}));
    if (!started.created)
        raise(ErrorKind::conflict, "schedule_exists", fmt::format("a schedule {} exists already", body.name));
    auto response = json_response(view_schedule(value_or_raise(co_await services.client.get(id))), 201);
    response.headers.set("Location", "/api/v1/schedules/" + body.name);
    co_return response;
}

// Newest first; those that were removed are not among them.
asio::awaitable<http::Response> list_schedules(Call& call) {
    call.expect_query({"limit", "page_token"});
    const int limit = page_size(call);
    runtime::OrchestrationFilter filter{
        .name = std::string(Schedule::name), .after_key = key_cursor(call).value_or(0), .limit = limit + 1};
    std::vector<OrchestrationRow> live;
    for (bool more = true; more && std::ssize(live) <= limit;) {
        const auto found = value_or_raise(co_await call.services().client.list(filter));
        more = std::ssize(found) == filter.limit;
        if (more) filter.after_key = found.back().key;
        std::ranges::copy_if(found, std::back_inserter(live), [](const auto& row) { return !is_finished(row.status); });
    }
    co_return json_response(page(
        "schedules", live, limit, [&](const OrchestrationRow& row) { return page_token(call, row.key); },
        &view_schedule));
}

// With how its last runs ended, and its next times by this server's time zones.
asio::awaitable<http::Response> get_schedule(Call& call) {
    call.expect_query({});
    const auto row = co_await schedule_of(call);
    auto out = view_schedule(row);
    for (auto& run : out["runs"]) {
        const auto started = co_await call.services().client.get(run.at("id").get<std::string>());
        if (started) run["status"] = enum_name(started->status);
    }
    out["upcoming"] = Json::array();
    if (!out.contains("next_run_at")) co_return json_response(out);
    const auto next = *parse_rfc3339(out.at("next_run_at").get<std::string>());
    const auto spec = decode<Schedule::Input>(row.input).spec;
    const auto times = runtime::next_times(spec.cron, spec.zone, next - std::chrono::milliseconds(1), upcoming_shown);
    if (times) out["upcoming"] = encode(*times);
    co_return json_response(out);
}

// 202: what is not given is as for a new one; pausing and the note stay. Counts from now on.
asio::awaitable<http::Response> change_schedule(Call& call) {
    call.expect_query({});
    const auto body = call.body<ScheduleBody>();
    auto spec = value_or_raise(check(body, call.services().knows_orchestration));
    co_return co_await tell(call, {ScheduleVerb::change, body.note, std::move(spec)});
}

asio::awaitable<http::Response> tell_with_note(Call& call, ScheduleVerb verb) {
    call.expect_query({});
    const auto note = call.request().body.empty() ? std::nullopt : call.body<NoteBody>().note;
    if (auto wrong = check_note(note)) throw ErrorException(invalid_fields({*std::move(wrong)}));
    co_return co_await tell(call, {verb, note, {}});
}

asio::awaitable<http::Response> pause_schedule(Call& call) { return tell_with_note(call, ScheduleVerb::pause); }

asio::awaitable<http::Response> resume_schedule(Call& call) { return tell_with_note(call, ScheduleVerb::resume); }

// 202: a run starts now, as far as the overlap with others lets it; also while it is paused.
asio::awaitable<http::Response> trigger_schedule(Call& call) {
    call.expect_query({});
    return tell(call, {ScheduleVerb::trigger, {}, {}});
}

// 202: it ends; runs that are under way go on.
asio::awaitable<http::Response> delete_schedule(Call& call) {
    call.expect_query({});
    return tell(call, {ScheduleVerb::remove, {}, {}});
}

constexpr Route routes[] = {
    {"POST", "/api/v1/schedules", Needs::admin, create_schedule, "schedule.create"},
    {"GET", "/api/v1/schedules", Needs::viewer, list_schedules},
    {"GET", "/api/v1/schedules/{name}", Needs::viewer, get_schedule},
    {"PUT", "/api/v1/schedules/{name}", Needs::admin, change_schedule, "schedule.change"},
    {"DELETE", "/api/v1/schedules/{name}", Needs::admin, delete_schedule, "schedule.delete"},
    {"POST", "/api/v1/schedules/{name}/pause", Needs::admin, pause_schedule},
    {"POST", "/api/v1/schedules/{name}/resume", Needs::admin, resume_schedule},
    {"POST", "/api/v1/schedules/{name}/trigger", Needs::admin, trigger_schedule},
};

}  // namespace

std::span<const Route> schedule_routes() { return routes; }

}  // namespace toygres::api
