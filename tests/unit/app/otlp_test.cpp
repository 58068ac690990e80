#include "app/otlp_exporter.hpp"
#include "base/error.hpp"
#include "http/server.hpp"
#include "metrics/metrics.hpp"
#include "support/catch.hpp"
#include "support/run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

using namespace toygres;
using namespace toygres::test;
using namespace std::chrono_literals;

namespace {

const std::string parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

trace::Span span(const std::string& name) {
    trace::Span out{.context = {std::string(32, 'a'), std::string(16, 'b'), true}, .name = name};
    out.began = std::chrono::system_clock::time_point(1s);
    out.ended = std::chrono::system_clock::time_point(3s);
    return out;
}

// A collector that takes what it gets, or answers `status`.
struct Collector {
    explicit Collector(asio::io_context& context) : io(context) { server.start(); }

    asio::awaitable<void> handle(http::Exchange& exchange) {
        targets.insert(exchange.request().target);
        const auto body = nlohmann::json::parse(exchange.request().body);
        if (status == 200)
            for (const auto& s : body.at("resourceSpans")[0].at("scopeSpans")[0].at("spans"))
                names.push_back(s.at("name").get<std::string>());
        ++requests;
        http::Response response{status, {{"Content-Type", "application/json"}}, "{}"};
        co_await exchange.respond(std::move(response));
    }
    std::string url() const { return fmt::format("http://127.0.0.1:{}", server.port()); }

    asio::io_context& io;
    int status = 200;
    int requests = 0;
    std::set<std::string> targets{};
    std::vector<std::string> names{};
    http::Server server{io, {}, [this](http::Exchange& exchange) { return handle(exchange); }};
};

double lost(const char* reason) {
    return metrics::counter("toygres_trace_spans_dropped_total", "Spans that were not exported", {{"reason", reason}})
        .Value();
}

// Runs `io` until the condition holds.
template <class F> bool runs_until(asio::io_context& io, F condition) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (!condition() && std::chrono::steady_clock::now() < deadline) io.run_one_for(100ms);
    return condition();
}

}  // namespace

TEST_CASE("traceparent: what the standard allows is read, and written the same") {
    const auto context = trace::parse_traceparent(parent);
    REQUIRE(context.has_value());
    CHECK(context->trace_id == "0af7651916cd43dd8448eb211c80319c");
    CHECK(context->span_id == "b7ad6b7169203331");
    CHECK(context->sampled);
    CHECK(trace::to_traceparent(*context) == parent);
    CHECK_FALSE(trace::parse_traceparent(parent.substr(0, 53) + "00")->sampled);
    CHECK(trace::parse_traceparent("cc" + parent.substr(2) + "-what-comes-later").has_value());
}

TEST_CASE("traceparent: anything else is none") {
    for (const auto& text : {std::string(), std::string("00"), parent.substr(0, 54), parent + "0", parent + "-more",
                             "ff" + parent.substr(2), "00-" + std::string(32, '0') + parent.substr(35),
                             parent.substr(0, 36) + std::string(16, '0') + "-01",
                             "00-0AF7651916cd43dd8448eb211c80319c" + parent.substr(35), parent.substr(0, 53) + "0x"}) {
        INFO(text);
        CHECK_FALSE(trace::parse_traceparent(text).has_value());
    }
}

TEST_CASE("traces: ids follow from what they are of, and the share that is sampled from the id alone") {
    CHECK(trace::trace_id_of("create-a/1/1") == trace::trace_id_of("create-a/1/1"));
    CHECK(trace::trace_id_of("create-a/1/1") != trace::trace_id_of("create-a/1/2"));
    CHECK(trace::span_id_of("create-a/1/1").size() == 16);
    int sampled = 0;
    trace::enable([](const trace::Span&) {}, 0.25);
    for (int i = 0; i < 4000; ++i) sampled += trace::samples(trace::trace_id_of(std::to_string(i))) ? 1 : 0;
    CHECK(sampled > 800);
    CHECK(sampled < 1200);
    trace::enable([](const trace::Span&) {}, 0);
    CHECK_FALSE(trace::begin(std::nullopt).sampled);
    CHECK(trace::begin(trace::parse_traceparent(parent)).sampled);
    trace::enable([](const trace::Span&) {}, 1);
    CHECK(trace::begin(std::nullopt).sampled);
    trace::disable();
    CHECK_FALSE(trace::begin(std::nullopt).sampled);
}

TEST_CASE("OTLP: a request has the spans with their parents, times in nanoseconds and typed attributes") {
    auto one = span("work");
    one.parent_span_id = std::string(16, 'c');
    one.link = trace::Context{std::string(32, 'd'), std::string(16, 'e'), true};
    one.attributes = {{"n", 7}, {"s", "text"}, {"b", true}};
    one.error = "went_wrong";
    const auto request = app::otlp_request("toygres-1", {one});
    const auto& s = request.at("resourceSpans")[0].at("scopeSpans")[0].at("spans")[0];
    CHECK(s.at("traceId") == one.context.trace_id);
    CHECK(s.at("parentSpanId") == one.parent_span_id);
    CHECK(s.at("startTimeUnixNano") == "1000000000");
    CHECK(s.at("endTimeUnixNano") == "3000000000");
    CHECK(s.at("status") == nlohmann::json{{"code", 2}, {"message", "went_wrong"}});
    CHECK(s.at("links")[0].at("spanId") == one.link->span_id);
    CHECK(s.at("attributes")[0] == nlohmann::json{{"key", "b"}, {"value", {{"boolValue", true}}}});
    CHECK(s.at("attributes")[1] == nlohmann::json{{"key", "n"}, {"value", {{"intValue", "7"}}}});
    CHECK(request.dump().contains("service.instance.id"));
}

TEST_CASE("OTLP: spans go to /v1/traces, and none is lost while the collector is busy") {
    asio::io_context io;
    Collector collector(io);
    collector.status = 503;
    app::OtlpExporter exporter(io.get_executor(),
                               {.endpoint = collector.url() + "/", .instance = "a", .interval = 1ms});
    exporter.add(span("first"));
    asio::co_spawn(io, exporter.run(), asio::detached);
    REQUIRE(runs_until(io, [&] { return collector.requests > 0; }));
    exporter.add(span("second"));
    collector.status = 200;
    REQUIRE(runs_until(io, [&] { return collector.names.size() == 2; }));
    CHECK(collector.names == std::vector<std::string>{"first", "second"});
    CHECK(collector.targets == std::set<std::string>{"/v1/traces"});
}

TEST_CASE("OTLP: what the collector does not like is dropped and counted, what comes after goes on") {
    asio::io_context io;
    Collector collector(io);
    collector.status = 400;
    const auto before = lost("refused");
    app::OtlpExporter exporter(io.get_executor(), {.endpoint = collector.url(), .instance = "a", .interval = 1ms});
    exporter.add(span("bad"));
    asio::co_spawn(io, exporter.run(), asio::detached);
    REQUIRE(runs_until(io, [&] { return lost("refused") == before + 1; }));
    collector.status = 200;
    exporter.add(span("good"));
    REQUIRE(runs_until(io, [&] { return !collector.names.empty(); }));
    CHECK(collector.names == std::vector<std::string>{"good"});
}

TEST_CASE("OTLP: while the collector is away the oldest go, and they are counted") {
    asio::io_context io;
    Collector collector(io);
    const auto before = lost("queue_full");
    app::OtlpExporter exporter(io.get_executor(),
                               {.endpoint = collector.url(), .instance = "a", .queue_max = 3, .interval = 1ms});
    for (const auto* name : {"1", "2", "3", "4", "5"}) exporter.add(span(name));
    CHECK(lost("queue_full") == before + 2);
    bool flushed = false;
    asio::co_spawn(io, exporter.flush(30s), [&](std::exception_ptr) { flushed = true; });
    REQUIRE(runs_until(io, [&] { return flushed; }));
    CHECK(collector.names == std::vector<std::string>{"3", "4", "5"});
}

TEST_CASE("OTLP: an endpoint that is no URL is refused") {
    asio::io_context io;
    CHECK_THROWS_AS(app::OtlpExporter(io.get_executor(), {.endpoint = "collector:4318", .instance = "a"}),
                    ErrorException);
}
