#include "app/server_metrics.hpp"

#include "metrics/metrics.hpp"

#include <string>

namespace toygres::app {
namespace {

double seconds_of(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

prometheus::Counter& acquire_failures(const std::string& code) {
    return metrics::counter("toygres_cms_pool_acquire_failures_total", "Sessions to the CMS that were not to be had",
                            {{"code", code}});
}

// As Kubernetes would call what the client calls by its purpose.
std::string verb_of(std::string_view action) {
    if (action == "reach") return "version";
    if (action == "look") return "discover";
    if (action == "read") return "log";
    return std::string(action);
}

}  // namespace

void count_acquired(std::chrono::nanoseconds took, const Error* error) {
    static auto& acquire =
        metrics::seconds("toygres_cms_pool_acquire_seconds", "Time to get a session to the CMS, waiting included");
    acquire.Observe(seconds_of(took));
    if (error != nullptr) acquire_failures(error->code).Increment();
}

void observe_pools(std::initializer_list<const pg::Pool*> pools) {
    constexpr auto name = "toygres_cms_pool_connections";
    constexpr auto help = "Sessions to the CMS that this process holds";
    double in_use = 0;
    double idle = 0;
    double max = 0;
    double waiting = 0;
    for (const auto* pool : pools) {
        in_use += static_cast<double>(pool->in_use());
        idle += static_cast<double>(pool->idle());
        max += static_cast<double>(pool->options().connections_max);
        waiting += static_cast<double>(pool->waiting());
    }
    metrics::gauge(name, help, {{"state", "in_use"}}).Set(in_use);
    metrics::gauge(name, help, {{"state", "idle"}}).Set(idle);
    metrics::gauge("toygres_cms_pool_connections_max", "How many sessions to the CMS this process may hold").Set(max);
    metrics::gauge("toygres_cms_pool_waiting", "Who waits for a session to become free").Set(waiting);
}

void count_kube_attempt(std::string_view verb, int status, std::chrono::nanoseconds took) {
    const auto verb_label = verb_of(verb);
    metrics::counter("toygres_kube_requests_total", "Requests to the Kubernetes API, repeats included",
                     {{"verb", verb_label}, {"code", status == 0 ? "none" : std::to_string(status)}})
        .Increment();
    // Watches and logs that are followed last as long as their reader likes.
    if (verb_label == "watch" || verb_label == "log") return;
    metrics::seconds("toygres_kube_request_seconds", "Time to an answer of the Kubernetes API", {{"verb", verb_label}})
        .Observe(seconds_of(took));
}

void declare_metrics() {
    metrics::gauge("toygres_build_info", "1, with the release", {{"version", TOYGRES_VERSION}}).Set(1);
    metrics::counter("toygres_http_rate_limited_total", "Calls refused since their token makes too many");
    acquire_failures("pool_exhausted");
    acquire_failures("database_unavailable");
    metrics::counter("toygres_runtime_parked_total",
                     "Orchestrations parked for a difference in replay or an unknown name");
    for (const auto* outcome : {"same", "differs"})
        metrics::counter("toygres_runtime_shadow_replays_total", "Evicted executions that were replayed to see",
                         {{"outcome", outcome}});
    for (const auto* result : {"ok", "failed"})
        metrics::counter("toygres_webhook_posts_total", "Attempts to post an alert to the webhook",
                         {{"result", result}});
    metrics::counter("toygres_trace_spans_exported_total", "Spans that the collector has taken");
    for (const auto* reason : {"queue_full", "refused"})
        metrics::counter("toygres_trace_spans_dropped_total", "Spans that were not exported", {{"reason", reason}});
    for (const auto* result : {"ok", "failed"})
        metrics::counter("toygres_trace_exports_total", "Requests to the collector", {{"result", result}});
    metrics::gauge("toygres_trace_queue_spans", "Spans that wait to be exported").Set(0);
    for (const auto* event : {"alert_raised", "alert_cleared", "failover_refused", "failover_begun", "switchover_begun",
                              "roles_changed", "change_of_roles_failed"})
        metrics::counter("toygres_alerts_total", "Events that people are told of", {{"event", event}});
    metrics::counter("toygres_runtime_orchestrations_finished_total", "Orchestrations that ended",
                     {{"name", "health_check"}, {"status", "failed"}});
}

}  // namespace toygres::app
