#include "app/otlp_exporter.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "metrics/metrics.hpp"

#include <algorithm>

namespace toygres::app {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr std::chrono::milliseconds send_timeout = 10s;
constexpr std::chrono::milliseconds first_pause = 1s;
constexpr std::string_view traces_path = "/v1/traces";

prometheus::Counter& exported() {
    return metrics::counter("toygres_trace_spans_exported_total", "Spans that the collector has taken");
}
prometheus::Counter& dropped(const char* reason) {
    return metrics::counter("toygres_trace_spans_dropped_total", "Spans that were not exported", {{"reason", reason}});
}
prometheus::Counter& exports(const char* result) {
    return metrics::counter("toygres_trace_exports_total", "Requests to the collector", {{"result", result}});
}
prometheus::Gauge& queued() { return metrics::gauge("toygres_trace_queue_spans", "Spans that wait to be exported"); }

// Where the path begins: behind the authority.
std::size_t path_of(const std::string& url) {
    const auto scheme = url.find("://");
    if (scheme == std::string::npos)
        raise(ErrorKind::invalid, "invalid_url", "the OTLP endpoint must be an http:// or https:// URL");
    return std::min(url.find('/', scheme + 3), url.size());
}

std::string target_of(const std::string& url) {
    auto path = url.substr(path_of(url));
    while (path.ends_with('/')) path.pop_back();
    return path.ends_with(traces_path) ? path : path + std::string(traces_path);
}

std::string nanoseconds(std::chrono::system_clock::time_point at) {
    return std::to_string(std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count());
}

json attribute(const std::string& key, const json& value) {
    if (value.is_boolean()) return {{"key", key}, {"value", {{"boolValue", value}}}};
    // 64-bit integers are strings in the JSON of protobuf.
    if (value.is_number_integer())
        return {{"key", key}, {"value", {{"intValue", std::to_string(value.get<std::int64_t>())}}}};
    return {{"key", key}, {"value", {{"stringValue", value.is_string() ? value.get<std::string>() : value.dump()}}}};
}

json span_of(const trace::Span& span) {
    json out = {{"traceId", span.context.trace_id},
                {"spanId", span.context.span_id},
                {"name", span.name},
                {"kind", static_cast<int>(span.kind)},
                {"startTimeUnixNano", nanoseconds(span.began)},
                {"endTimeUnixNano", nanoseconds(span.ended)},
                {"attributes", json::array()},
                {"status", span.error ? json{{"code", 2}, {"message", *span.error}} : json{{"code", 1}}}};
    if (!span.parent_span_id.empty()) out["parentSpanId"] = span.parent_span_id;
    if (span.link) out["links"] = json::array({{{"traceId", span.link->trace_id}, {"spanId", span.link->span_id}}});
    for (const auto& [key, value] : span.attributes.items()) out["attributes"].push_back(attribute(key, value));
    return out;
}

}  // namespace

json otlp_request(const std::string& instance, const std::vector<trace::Span>& spans) {
    json list = json::array();
    for (const auto& span : spans) list.push_back(span_of(span));
    const json resource = {
        {"attributes", json::array({attribute("service.name", "toygres"), attribute("service.version", TOYGRES_VERSION),
                                    attribute("service.instance.id", instance)})}};
    const json scope = {{"scope", {{"name", "toygres"}, {"version", TOYGRES_VERSION}}}, {"spans", std::move(list)}};
    return {{"resourceSpans", json::array({{{"resource", resource}, {"scopeSpans", json::array({scope})}}})}};
}

OtlpExporter::OtlpExporter(asio::any_io_executor executor, OtlpOptions options)
    : options_(std::move(options)),
      target_(target_of(options_.endpoint)),
      client_(std::make_unique<http::Client>(
          executor, http::ClientOptions{.base_url = options_.endpoint.substr(0, path_of(options_.endpoint)),
                                        .connections_max = 2})),
      timer_(executor) {}

void OtlpExporter::add(trace::Span span) {
    if (queue_.size() >= options_.queue_max) {
        queue_.pop_front();
        dropped("queue_full").Increment();
    }
    queue_.push_back(std::move(span));
    queued().Set(static_cast<double>(queue_.size()));
    if (queue_.size() == options_.batch_max) timer_.cancel();
}

std::vector<trace::Span> OtlpExporter::take() {
    const auto count = static_cast<std::ptrdiff_t>(std::min(queue_.size(), options_.batch_max));
    std::vector<trace::Span> out(std::make_move_iterator(queue_.begin()),
                                 std::make_move_iterator(queue_.begin() + count));
    queue_.erase(queue_.begin(), queue_.begin() + count);
    queued().Set(static_cast<double>(queue_.size()));
    return out;
}

asio::awaitable<OtlpExporter::Sent> OtlpExporter::send(const std::vector<trace::Span>& batch,
                                                       std::chrono::milliseconds timeout) {
    http::Request request{
        .method = "POST",
        .target = target_,
        .headers = {},
        .body = otlp_request(options_.instance, batch).dump(-1, ' ', false, json::error_handler_t::replace)};
    request.headers.set("Content-Type", "application/json");
    request.headers.set("User-Agent", "toygres/" TOYGRES_VERSION);
    const auto response = co_await client_->send(std::move(request), timeout);
    const bool taken = response && response->status / 100 == 2;
    exports(taken ? "ok" : "failed").Increment();
    if (taken) {
        exported().Increment(static_cast<double>(batch.size()));
        co_return Sent::taken;
    }
    // Trying again helps where the collector is busy or away, not where it does not like what it gets.
    const bool again = !response || response->status == 429 || response->status >= 500;
    if (again) co_return Sent::failed;
    dropped("refused").Increment(static_cast<double>(batch.size()));
    co_return Sent::refused;
}

asio::awaitable<void> OtlpExporter::run() {
    auto pause = first_pause;
    bool told = false;
    for (std::vector<trace::Span> batch;;) {
        if (batch.empty() && queue_.size() < options_.batch_max) {
            timer_.expires_after(options_.interval);
            co_await timer_.async_wait(use);
        }
        if (batch.empty()) batch = take();
        if (batch.empty()) continue;
        const auto sent = co_await send(batch, send_timeout);
        if (sent != Sent::failed) {
            batch.clear();
            pause = first_pause;
            told = false;
            continue;
        }
        if (!std::exchange(told, true)) log::warning("trace.collector_away", {{"endpoint", options_.endpoint}});
        asio::steady_timer rest(co_await asio::this_coro::executor, pause);
        co_await rest.async_wait(use);
        pause = std::min(pause * 2, options_.pause_max);
    }
}

asio::awaitable<void> OtlpExporter::flush(std::chrono::milliseconds patience) {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (!queue_.empty()) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        if (left <= 0ms || co_await send(take(), left) == Sent::failed) co_return;
    }
}

}  // namespace toygres::app
