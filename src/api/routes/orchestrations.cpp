#include "api/page.hpp"
#include "api/route.hpp"
#include "api/views.hpp"

#include <ranges>

namespace toygres::api {
namespace {

struct NewBody {
    std::string id;
    std::string type;
    std::optional<Json> input{};
    std::optional<std::string> on_conflict{};
    std::optional<Json> tags{};
    std::optional<std::string> request_id{};
};
BOOST_DESCRIBE_STRUCT(NewBody, (), (id, type, input, on_conflict, tags, request_id))

// What to start when nobody with that id is there to be signalled.
struct StartBody {
    std::string name;
    Json input;
    std::optional<bool> replace_ended{};
    std::optional<Json> tags{};
};
BOOST_DESCRIBE_STRUCT(StartBody, (), (name, input, replace_ended, tags))

struct SignalBody {
    std::string name;
    Json payload;
    std::optional<std::string> dedup_key;
    std::optional<StartBody> start{};
};
BOOST_DESCRIBE_STRUCT(SignalBody, (), (name, payload, dedup_key, start))

struct ResetBody {
    std::int64_t event;
};
BOOST_DESCRIBE_STRUCT(ResetBody, (), (event))

struct CancelBody {
    std::string reason;
};
BOOST_DESCRIBE_STRUCT(CancelBody, (), (reason))

struct QueryBody {
    std::string name;
    std::optional<Json> input{};
};
BOOST_DESCRIBE_STRUCT(QueryBody, (), (name, input))

struct UpdateBody {
    std::string name;
    std::optional<Json> input{};
    std::optional<std::string> request_id{};
};
BOOST_DESCRIBE_STRUCT(UpdateBody, (), (name, input, request_id))

std::vector<std::string> status_names() {
    std::vector<std::string> out;
    boost::mp11::mp_for_each<boost::describe::describe_enumerators<runtime::Status>>(
        [&](auto d) { out.push_back(d.name); });
    return out;
}

void expect_length(const std::string& field, const std::string& text, std::size_t low, std::size_t high) {
    if (text.size() < low || text.size() > high)
        throw ErrorException(
            invalid_fields({{field, "must be " + std::to_string(low) + " to " + std::to_string(high) + " bytes"}}));
}

// "team=blue,tier=gold" as an object.
Json tags_of(const Call& call) {
    Json out = Json::object();
    const auto text = call.query_text("tags").value_or("");
    for (const auto part : std::views::split(text, ',')) {
        const std::string_view tag(part.begin(), part.end());
        const auto sign = tag.find('=');
        if (sign == 0 || sign == std::string_view::npos)
            throw ErrorException(invalid_fields({{"tags", "must be name=value, several of them with commas between"}}));
        out[std::string(tag.substr(0, sign))] = tag.substr(sign + 1);
    }
    return out;
}

// What listing and counting have in common.
runtime::OrchestrationFilter filter_of(const Call& call) {
    const auto status = call.query_choice("status", status_names());
    return {.id_prefix = call.query_text("id_prefix"),
            .name = call.query_text("name"),
            .status = status ? enum_from<runtime::Status>(*status) : std::nullopt,
            .created_after = call.query_time("created_after"),
            .created_before = call.query_time("created_before"),
            .tags = tags_of(call)};
}

std::vector<std::string> summary_members() {
    auto out = member_names<runtime::OrchestrationRow>();
    for (const auto* hidden : {"key", "next_event", "input", "output"}) std::erase(out, hidden);
    return out;
}

// Newest first, without inputs and outputs.
asio::awaitable<http::Response> list_orchestrations(Call& call) {
    call.expect_query(
        {"name", "status", "id_prefix", "created_after", "created_before", "tags", "fields", "limit", "page_token"});
    const int limit = page_size(call);
    const auto fields = chosen_fields(call, summary_members());
    auto filter = filter_of(call);
    filter.after_key = key_cursor(call).value_or(0);
    filter.limit = limit + 1;
    const auto found = value_or_raise(co_await call.services().client.list(std::move(filter)));
    co_return json_response(page(
        "orchestrations", found, limit, [&](const runtime::OrchestrationRow& row) { return page_token(call, row.key); },
        [&](const runtime::OrchestrationRow& row) { return cut_down(summary(row), fields); }));
}

// How many of each type are in each status.
asio::awaitable<http::Response> count_orchestrations(Call& call) {
    call.expect_query({"name", "status", "id_prefix", "created_after", "created_before", "tags"});
    co_return json_response(
        {{"counts", encode(value_or_raise(co_await call.services().client.count(filter_of(call))))}});
}

asio::awaitable<http::Response> get_orchestration(Call& call) {
    call.expect_query({});
    co_return json_response(view(value_or_raise(co_await call.services().client.get(call.param("id")))));
}

// The events of one execution in order; of the current one when none is named.
asio::awaitable<http::Response> get_history(Call& call) {
    call.expect_query({"execution"});
    const auto row = value_or_raise(co_await call.services().client.get(call.param("id")));
    const auto execution =
        call.query_number("execution", 1, std::numeric_limits<std::int32_t>::max()).value_or(row.execution);
    const auto events = value_or_raise(co_await call.services().client.history(row.id, execution));
    co_return json_response({{"id", row.id}, {"execution", execution}, {"events", encode(events)}});
}

void expect_startable(Call& call, const std::string& field, const std::string& type, const std::optional<Json>& tags) {
    expect_length(field, type, 1, 128);
    if (!call.services().knows_orchestration(type))
        throw ErrorException(invalid_fields({{field, "names no type of orchestration that this server knows"}}));
    if (tags && !tags->is_object())
        throw ErrorException(invalid_fields({{field == "type" ? "tags" : "start.tags", "must be an object"}}));
}

// 201: it is there for good, and will run. 200: it was there already, and that is what was wished, or this very request
// made it. 409 when the id is taken.
asio::awaitable<http::Response> post_orchestration(Call& call) {
    call.expect_query({});
    auto body = call.body<NewBody>();
    expect_length("id", body.id, 1, 256);
    expect_startable(call, "type", body.type, body.tags);
    if (body.request_id) expect_length("request_id", *body.request_id, 1, 128);
    const auto on_conflict = enum_from<runtime::OnConflict>(body.on_conflict.value_or("fail"));
    if (!on_conflict)
        throw ErrorException(invalid_fields({{"on_conflict", "must be one of: fail, use_existing, replace_terminal"}}));
    const auto outcome = value_or_raise(
        co_await call.services().client.start({.id = body.id,
                                               .name = body.type,
                                               .input = std::move(body.input).value_or(Json()),
                                               .on_conflict = *on_conflict,
                                               .tags = call.correlated(std::move(body.tags).value_or(Json::object())),
                                               .request = body.request_id.value_or("")}));
    co_return json_response({{"id", body.id}, {"started", outcome.created}}, outcome.created ? 201 : 200);
}

// 202: it is in the orchestration's inbox for good. 409 when the orchestration has ended. With "start", 202 also when
// it was not there: it is started, and has the signal.
asio::awaitable<http::Response> post_signal(Call& call) {
    call.expect_query({});
    auto body = call.body<SignalBody>();
    const auto& id = call.param("id");
    auto& client = call.services().client;
    expect_length("name", body.name, 1, 128);
    if (body.dedup_key) expect_length("dedup_key", *body.dedup_key, 1, 128);
    const auto key = body.dedup_key.value_or("");
    if (!body.start) {
        value_or_raise(co_await client.signal(id, body.name, std::move(body.payload), key));
        co_return json_response({{"id", id}, {"signal", body.name}}, 202);
    }
    auto& start = *body.start;
    expect_startable(call, "start.name", start.name, start.tags);
    const auto outcome = value_or_raise(co_await client.signal_with_start(
        {.id = id,
         .name = start.name,
         .input = std::move(start.input),
         .on_conflict = start.replace_ended.value_or(false) ? runtime::OnConflict::replace_terminal
                                                            : runtime::OnConflict::use_existing,
         .tags = call.correlated(std::move(start.tags).value_or(Json::object()))},
        body.name, std::move(body.payload), key));
    co_return json_response({{"id", id}, {"signal", body.name}, {"started", outcome.created}}, 202);
}

// 202: it will be asked to stop and clean up after itself. 409 when it has ended.
asio::awaitable<http::Response> post_cancel(Call& call) {
    call.expect_query({});
    auto body = call.body<CancelBody>();
    expect_length("reason", body.reason, 1, 1024);
    value_or_raise(co_await call.services().client.cancel(call.param("id"), body.reason));
    co_return json_response({{"id", call.param("id")}}, 202);
}

// 202: it ends at once, without cleaning up after itself. 409 when it has ended.
asio::awaitable<http::Response> post_terminate(Call& call) {
    call.expect_query({});
    auto body = call.body<CancelBody>();
    expect_length("reason", body.reason, 1, 1024);
    value_or_raise(co_await call.services().client.terminate(call.param("id"), body.reason));
    co_return json_response({{"id", call.param("id")}}, 202);
}

// 200: what its code answers from the live state. 404 when it answers no such query; 409 when it has ended or is stuck;
// 504 when it is too busy.
asio::awaitable<http::Response> post_query(Call& call) {
    call.expect_query({});
    auto body = call.body<QueryBody>();
    expect_length("name", body.name, 1, 128);
    auto output = value_or_raise(
        co_await call.services().client.query(call.param("id"), body.name, std::move(body.input).value_or(Json())));
    co_return json_response({{"id", call.param("id")}, {"output", std::move(output)}});
}

// The same for what changes that state, once it is recorded; a repeated request id does nothing twice.
asio::awaitable<http::Response> post_update(Call& call) {
    call.expect_query({});
    auto body = call.body<UpdateBody>();
    expect_length("name", body.name, 1, 128);
    if (body.request_id) expect_length("request_id", *body.request_id, 1, 128);
    auto output = value_or_raise(co_await call.services().client.update(
        call.param("id"), body.name, std::move(body.input).value_or(Json()), body.request_id.value_or("")));
    co_return json_response({{"id", call.param("id")}, {"output", std::move(output)}});
}

asio::awaitable<http::Response> accepted(Call& call, asio::awaitable<Result<void>> order) {
    value_or_raise(co_await std::move(order));
    co_return json_response({{"id", call.param("id")}}, 202);
}

// 202: its code will not run until it is resumed. 409 when it has ended.
asio::awaitable<http::Response> post_pause(Call& call) {
    call.expect_query({});
    return accepted(call, call.services().client.pause(call.param("id")));
}

// 202: it will go on; one that is stuck is tried again. 409 when it has ended.
asio::awaitable<http::Response> post_resume(Call& call) {
    call.expect_query({});
    return accepted(call, call.services().client.resume(call.param("id")));
}

// 202: it begins again with the step that failed. 409 when it runs, or nothing failed.
asio::awaitable<http::Response> post_retry(Call& call) {
    call.expect_query({});
    return accepted(call, call.services().client.retry(call.param("id")));
}

// 202: it begins again, without what its history has from that event on. 409 when it runs.
asio::awaitable<http::Response> post_reset(Call& call) {
    call.expect_query({});
    const auto event = call.body<ResetBody>().event;
    return accepted(call, call.services().client.reset(call.param("id"), event));
}

constexpr Route routes[] = {
    {"GET", "/api/v1/orchestrations", Needs::viewer, list_orchestrations},
    {"POST", "/api/v1/orchestrations", Needs::admin, post_orchestration},
    {"GET", "/api/v1/orchestration-counts", Needs::viewer, count_orchestrations},
    {"GET", "/api/v1/orchestrations/{id}", Needs::viewer, get_orchestration},
    {"GET", "/api/v1/orchestrations/{id}/history", Needs::viewer, get_history},
    {"POST", "/api/v1/orchestrations/{id}/signal", Needs::admin, post_signal},
    {"POST", "/api/v1/orchestrations/{id}/query", Needs::viewer, post_query},
    {"POST", "/api/v1/orchestrations/{id}/update", Needs::admin, post_update},
    {"POST", "/api/v1/orchestrations/{id}/cancel", Needs::admin, post_cancel, "orchestration.cancel"},
    {"POST", "/api/v1/orchestrations/{id}/terminate", Needs::admin, post_terminate, "orchestration.terminate"},
    {"POST", "/api/v1/orchestrations/{id}/pause", Needs::admin, post_pause, "orchestration.pause"},
    {"POST", "/api/v1/orchestrations/{id}/resume", Needs::admin, post_resume, "orchestration.resume"},
    {"POST", "/api/v1/orchestrations/{id}/retry", Needs::admin, post_retry, "orchestration.retry"},
    {"POST", "/api/v1/orchestrations/{id}/reset", Needs::admin, post_reset, "orchestration.reset"},
};

}  // namespace

std::span<const Route> orchestration_routes() { return routes; }

}  // namespace toygres::api
