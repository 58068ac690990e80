#include "api/fleet_metrics.hpp"

#include <fmt/format.h>

#include <functional>

namespace toygres::api {
namespace {

using Figures = cms::ReplicationFigures;
using Instances = std::vector<Figures>;

std::string head(std::string_view name, std::string_view help, std::string_view type) {
    return fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
}

// `more` goes on after the labels that every metric of an instance has: ",state=\"running\"".
std::string sample(std::string_view name, const Figures& of, const std::string& more, const std::string& value) {
    return fmt::format("{}{{instance=\"{}\",k8s_name=\"{}\"{}}} {}\n", name, of.instance, of.k8s_name, more, value);
}

std::string label(std::string_view name, std::string_view value) { return fmt::format(",{}=\"{}\"", name, value); }

std::string gauge_of_each(std::string_view name, std::string_view help, const Instances& instances,
                          const std::function<std::optional<std::int64_t>(const Figures&)>& value) {
    auto out = head(name, help, "gauge");
    for (const auto& one : instances)
        if (const auto v = value(one)) out += sample(name, one, "", std::to_string(*v));
    return out;
}

// One sample per instance whose value is 1 and whose further label says it.
std::string label_of_each(std::string_view name, std::string_view help, const Instances& instances,
                          std::string_view key, const std::function<std::string(const Figures&)>& value) {
    auto out = head(name, help, "gauge");
    for (const auto& one : instances) out += sample(name, one, label(key, value(one)), "1");
    return out;
}

std::string roles(const Instances& instances) {
    constexpr auto name = "toygres_instance_member_role";
    auto out = head(name, "1 for the role that a member has", "gauge");
    for (const auto& one : instances)
        for (const auto& member : one.members)
            out += sample(name, one,
                          label("member", member) + label("role", member == one.primary ? "primary" : "replica"), "1");
    return out;
}

std::string alerts(const Instances& instances) {
    constexpr auto name = "toygres_instance_alert";
    auto out = head(name, "1 for each alert that lasts", "gauge");
    for (const auto& one : instances)
        for (const auto& alert : one.alerts)
            out += sample(name, one,
                          label("kind", alert.value("kind", "")) + label("member", alert.value("member", "")), "1");
    return out;
}

std::string states(const Instances& instances) {
    return label_of_each("toygres_instance_info", "1, with the major of PostgreSQL", instances, "postgres_version",
                         [](const Figures& f) { return f.postgres_version; }) +
           label_of_each("toygres_instance_state", "1 for the state that an instance is in", instances, "state",
                         [](const Figures& f) { return f.instance_state; }) +
           label_of_each("toygres_instance_replication_state", "1 for the state that an instance's replication is in",
                         instances, "state", [](const Figures& f) { return f.state; });
}

std::optional<std::int64_t> healthy(const Figures& figures) {
    if (figures.health == "unknown") return std::nullopt;
    return figures.health == "healthy" ? 1 : 0;
}

std::optional<std::int64_t> last_check(const Figures& figures) {
    if (!figures.last_health_check_at) return std::nullopt;
    return std::chrono::duration_cast<std::chrono::seconds>(figures.last_health_check_at->time_since_epoch()).count();
}

std::string values(const Instances& instances) {
    using Value = std::optional<std::int64_t>;
    return gauge_of_each("toygres_instance_healthy", "1 while the instance answers; absent before the first check",
                         instances, healthy) +
           gauge_of_each("toygres_instance_last_health_check_timestamp_seconds", "When the instance was last checked",
                         instances, last_check) +
           gauge_of_each("toygres_instance_failover_safe", "1 while a standby is proven to hold what is acknowledged",
                         instances, [](const Figures& f) { return Value(f.failover_safe ? 1 : 0); }) +
           gauge_of_each("toygres_instance_failover_blocked", "1 while the primary is down and nothing is done",
                         instances, [](const Figures& f) { return Value(f.blocked ? 1 : 0); }) +
           gauge_of_each("toygres_instance_replication_lag_bytes", "Of the standby that is farthest behind", instances,
                         [](const Figures& f) { return f.lag_bytes; }) +
           gauge_of_each("toygres_instance_epoch", "Number of the present reign", instances,
                         [](const Figures& f) { return Value(f.epoch); }) +
           gauge_of_each("toygres_instance_members", "Servers of the instance", instances,
                         [](const Figures& f) { return Value(f.members.size()); });
}

std::string operations(const std::vector<cms::RunningOperations>& running) {
    auto out = head("toygres_operations_running", "Operations that are under way", "gauge");
    for (const auto& one : running)
        out += fmt::format("toygres_operations_running{{kind=\"{}\"}} {}\n", one.kind, one.count);
    out += head("toygres_operation_oldest_seconds", "Since the oldest operation that is under way began", "gauge");
    for (const auto& one : running)
        out += fmt::format("toygres_operation_oldest_seconds{{kind=\"{}\"}} {:.3f}\n", one.kind, one.oldest_seconds);
    return out;
}

}  // namespace

std::string fleet_metrics(const Fleet& fleet) {
    auto out = states(fleet.instances) + roles(fleet.instances) + alerts(fleet.instances) + values(fleet.instances) +
               operations(fleet.operations);
    out += head("toygres_failovers_total", "Changes of roles", "counter");
    for (const auto& f : fleet.failovers)
        out += fmt::format("toygres_failovers_total{{kind=\"{}\",status=\"{}\"}} {}\n", f.kind, f.status, f.count);
    out += head("toygres_automatic_failover", "0 while automatic failover is paused for all instances", "gauge");
    return out + fmt::format("toygres_automatic_failover {}\n", fleet.failover.automatic ? 1 : 0);
}

}  // namespace toygres::api
