#include "api/page.hpp"
#include "api/route.hpp"
#include "api/views.hpp"

namespace toygres::api {
namespace {

struct SignalBody {
    std::string name;
    Json payload;
    std::optional<std::string> dedup_key;
};
BOOST_DESCRIBE_STRUCT(SignalBody, (), (name, payload, dedup_key))

struct CancelBody {
    std::string reason;
};
BOOST_DESCRIBE_STRUCT(CancelBody, (), (reason))

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

// Newest first, without inputs and outputs.
asio::awaitable<http::Response> list_orchestrations(Call& call) {
    call.expect_query({"name", "status", "id_prefix", "limit", "page_token"});
    const int limit = page_size(call);
    const auto status = call.query_choice("status", status_names());
    const runtime::OrchestrationFilter filter{.id_prefix = call.query_text("id_prefix"),
                                              .name = call.query_text("name"),
                                              .status = status ? enum_from<runtime::Status>(*status) : std::nullopt,
                                              .after_key = key_cursor(call).value_or(0),
                                              .limit = limit + 1};
    const auto found = value_or_raise(co_await call.services().client.list(filter));
    co_return json_response(page(
        "orchestrations", found, limit, [](const runtime::OrchestrationRow& row) { return page_token(row.key); },
        [](const runtime::OrchestrationRow& row) { return summary(row); }));
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

// 202: it is in the orchestration's inbox for good. 409 when the orchestration has ended.
asio::awaitable<http::Response> post_signal(Call& call) {
    call.expect_query({});
    auto body = call.body<SignalBody>();
    expect_length("name", body.name, 1, 128);
    if (body.dedup_key) expect_length("dedup_key", *body.dedup_key, 1, 128);
    value_or_raise(co_await call.services().client.signal(call.param("id"), body.name, std::move(body.payload),
                                                          body.dedup_key.value_or("")));
    co_return json_response({{"id", call.param("id")}, {"signal", body.name}}, 202);
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

constexpr Route routes[] = {
    {"GET", "/api/v1/orchestrations", Scope::read, list_orchestrations},
    {"GET", "/api/v1/orchestrations/{id}", Scope::read, get_orchestration},
    {"GET", "/api/v1/orchestrations/{id}/history", Scope::read, get_history},
    {"POST", "/api/v1/orchestrations/{id}/signal", Scope::write, post_signal},
    {"POST", "/api/v1/orchestrations/{id}/cancel", Scope::write, post_cancel},
    {"POST", "/api/v1/orchestrations/{id}/terminate", Scope::write, post_terminate},
};

}  // namespace

std::span<const Route> orchestration_routes() { return routes; }

}  // namespace toygres::api
