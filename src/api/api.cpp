#include "api/api.hpp"

#include "api/address.hpp"
#include "base/log.hpp"
#include "metrics/metrics.hpp"

#include <fmt/format.h>

namespace toygres::api {
namespace {

using Clock = std::chrono::steady_clock;

void count(const Call& call, const Route* route, int status, Clock::duration took) {
    const std::string pattern(route ? route->pattern : "unmatched");
    const std::string method(route ? route->method : "other");
    metrics::counter("toygres_http_requests_total", "Requests answered by the API",
                     {{"route", pattern}, {"method", method}, {"status", std::to_string(status)}})
        .Increment();
    if (!call.streaming())  // a stream lasts as long as its reader likes
        metrics::seconds("toygres_http_request_seconds", "Time to answer a request",
                         {{"route", pattern}, {"method", method}})
            .Observe(std::chrono::duration<double>(took).count());
}

// One of the requests that are being answered, for as long as it lives.
class InFlight {
  public:
    InFlight() { gauge().Increment(); }
    ~InFlight() { gauge().Decrement(); }
    InFlight(const InFlight&) = delete;
    InFlight& operator=(const InFlight&) = delete;

  private:
    static prometheus::Gauge& gauge() {
        static auto& out = metrics::gauge("toygres_http_requests_in_flight", "Requests and streams that are under way");
        return out;
    }
};

// Of a slow call that was accepted; empty: it is none.
std::string operation_of(const http::Response& response) {
    constexpr std::string_view before = "/api/v1/operations/";
    const auto location = response.headers.get("Location");
    return location.starts_with(before) ? std::string(location.substr(before.size())) : std::string();
}

void record_span(const Call& call, const Route& route, int status, Clock::duration took, const std::string& operation,
                 const std::optional<Error>& failure) {
    if (!trace::enabled() || route.needs == Needs::nothing) return;
    const auto ended = std::chrono::system_clock::now();
    Json attributes = {{"http.request.method", call.request().method},
                       {"http.route", route.pattern},
                       {"http.response.status_code", status},
                       {"toygres.request_id", call.request_id()}};
    if (!operation.empty()) attributes["toygres.operation"] = operation;
    trace::record({.context = call.trace(),
                   .parent_span_id = call.caller_span(),
                   .name = std::string(route.method) + " " + std::string(route.pattern),
                   .kind = trace::Kind::server,
                   .began = ended - std::chrono::duration_cast<std::chrono::system_clock::duration>(took),
                   .ended = ended,
                   .attributes = std::move(attributes),
                   .error = status < 500 ? std::nullopt : std::optional(failure ? failure->code : "failed")});
}

void note(const Call& call, const Route* route, int status, Clock::duration took, const std::string& operation,
          const std::optional<Error>& failure) {
    const auto level = status == 500                             ? log::Level::error
                       : failure && status > 500                 ? log::Level::warning
                       : route && route->needs == Needs::nothing ? log::Level::debug
                                                                 : log::Level::info;
    Json fields = {
        {"method", call.request().method},
        {"route", route ? std::string(route->pattern) : "unmatched"},
        {"status", status},
        {"duration_ms", static_cast<double>(std::chrono::round<std::chrono::microseconds>(took).count()) / 1000},
        {"request_id", call.request_id()},
        {"trace_id", call.trace().trace_id},
        {"caller", call.caller_name()},
        {"peer", call.request().peer}};
    if (!operation.empty()) fields["operation"] = operation;
    if (failure) {
        fields["code"] = failure->code;
        if (status >= 500) fields["error"] = failure->message;
    }
    log::write(level, "request.handled", fields);
}

void expect_role(const Caller& caller, const Route& route) {
    const auto least = least_role(route.needs);
    if (caller.role < least)
        raise(ErrorKind::forbidden, "insufficient_scope",
              fmt::format("the token \"{}\" has the role {}; this needs the role {}", caller.name,
                          role_name(caller.role), role_name(least)));
}

Error no_route(const Call& call, const Router::NoMatch& none) {
    if (none.allow.empty())
        return {ErrorKind::not_found, "no_such_path",
                "there is nothing at this path; /api/v1/openapi.yaml lists what there is"};
    return {ErrorKind::invalid, "method_not_allowed",
            fmt::format("this path takes {}, not {}", none.allow, call.request().method)};
}

}  // namespace

Api::Api(ApiServices services)
    : services_(std::move(services)),
      authenticator_(services_.pool),
      rate_limit_(services_.rate),
      audit_(services_.pool) {}

http::Response Api::error_page(int status, std::string_view detail) { return broken_request(status, detail); }

void Api::expect_room(const Caller& caller) {
    const auto wait = rate_limit_.take(caller.name, Clock::now());
    if (!wait) return;
    metrics::counter("toygres_http_rate_limited_total", "Calls refused since their token makes too many").Increment();
    throw ErrorException(Error{
        ErrorKind::transient,
        "rate_limited",
        fmt::format("the token \"{}\" makes more calls than one may; try again in {}s", caller.name, wait->count()),
        {{"retry_after_s", wait->count()}}});
}

// Throws unless the caller may call the route. Whose an instance is, is looked at again in the transaction that changes
// it.
asio::awaitable<void> Api::admit(Call& call, const Route& route) {
    const auto& request = call.request();
    call.set_caller(value_or_raise(co_await authenticator_.authenticate(
        std::string(request.headers.get("Authorization")), network_of(address_of(request.peer)))));
    expect_room(call.caller());
    call.on_more_calls(
        [this, token = call.caller().name](std::size_t calls) { rate_limit_.owe(token, calls, Clock::now()); });
    expect_role(call.caller(), route);
    if (route.needs == Needs::owner && call.caller().role != Role::admin)
        co_await call.read([&](pg::Connection& db) { return call.own_instance(db, call.param("name")); });
}

asio::awaitable<http::Response> Api::dispatch(Call& call, Handling& handling) {
    call.check_target();
    auto found = router_.find(call.request().method, call.segments());
    if (const auto* none = std::get_if<Router::NoMatch>(&found)) {
        auto response = problem(no_route(call, *none), call.request_id());
        if (!none->allow.empty()) response.headers.set("Allow", none->allow);
        co_return response;
    }
    auto& match = std::get<Router::Match>(found);
    const auto& route = *match.route;
    handling.route = &route;
    call.set_params(std::move(match.params));
    if (route.needs != Needs::nothing) co_await admit(call, route);
    handling.audit = value_or_raise(co_await audit_.begin(call, route));
    co_return co_await route.handle(call);
}

asio::awaitable<void> Api::handle(http::Exchange& exchange) {
    const auto began = Clock::now();
    const InFlight in_flight;
    Call call(exchange, services_);
    Handling handling;
    http::Response response{};
    std::optional<Error> failure;
    try {
        response = co_await dispatch(call, handling);
    } catch (...) {
        failure = current_error();
    }
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) co_return;  // the server gave the connection up
    if (failure && !call.streaming()) response = problem(*failure, call.request_id());
    const int status = call.streaming() ? 200 : response.status;
    if (handling.audit)
        co_await audit_.end(call, *handling.audit, status, failure);
    else if (!handling.route || handling.route->needs != Needs::nothing)
        co_await audit_.refused(call, handling.route, call.refusal() ? status_of(*call.refusal()) : status,
                                call.refusal() ? call.refusal() : failure);
    const auto operation = operation_of(response);
    if (!call.streaming()) {
        response.headers.set("X-Request-Id", call.request_id());
        response.headers.set("traceparent", trace::to_traceparent(call.trace()));
        response.headers.set("X-Content-Type-Options", "nosniff");
        co_await exchange.respond(std::move(response));
    }
    const auto took = Clock::now() - began;
    count(call, handling.route, status, took);
    note(call, handling.route, status, took, operation, failure);
    if (handling.route) record_span(call, *handling.route, status, took, operation, failure);
    // A stream cut short must not look like one that is complete.
    if (failure && call.streaming()) throw ErrorException(*std::move(failure));
}

}  // namespace toygres::api
