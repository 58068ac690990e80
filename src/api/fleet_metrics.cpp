#include "api/fleet_metrics.hpp"

#include <fmt/format.h>

#include <functional>

namespace toygres::api {
namespace {

using Figures = cms::ReplicationFigures;

std::string head(std::string_view name, std::string_view help, std::string_view type) {
    return fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
}

std::string gauge_of_each(std::string_view name, std::string_view help, const std::vector<Figures>& instances,
                          const std::function<std::optional<std::int64_t>(const Figures&)>& value) {
    auto out = head(name, help, "gauge");
    for (const auto& one : instances)
        if (const auto v = value(one))
            out += fmt::format("{}{{instance=\"{}\",k8s_name=\"{}\"}} {}\n", name, one.instance, one.k8s_name, *v);
    return out;
}

std::string states(const std::vector<Figures>& instances) {
    constexpr auto name = "toygres_instance_replication_state";
    auto out = head(name, "1 for the state that an instance's replication is in", "gauge");
    for (const auto& one : instances)
        out += fmt::format("{}{{instance=\"{}\",k8s_name=\"{}\",state=\"{}\"}} 1\n", name, one.instance, one.k8s_name,
                           one.state);
    return out;
}

std::string alerts(const std::vector<Figures>& instances) {
    constexpr auto name = "toygres_instance_alert";
    auto out = head(name, "1 for each alert that lasts", "gauge");
    for (const auto& one : instances)
        for (const auto& alert : one.alerts)
            out += fmt::format("{}{{instance=\"{}\",k8s_name=\"{}\",kind=\"{}\",member=\"{}\"}} 1\n", name,
                               one.instance, one.k8s_name, alert.value("kind", ""), alert.value("member", ""));
    return out;
}

}  // namespace

std::string fleet_metrics(const std::vector<cms::ReplicationFigures>& instances,
                          const std::vector<cms::FailoverCount>& failovers, const cms::FleetFailover& fleet) {
    using Value = std::optional<std::int64_t>;
    auto out = states(instances) + alerts(instances);
    out += gauge_of_each("toygres_instance_failover_safe", "1 while a standby is proven to hold what is acknowledged",
                         instances, [](const Figures& f) { return Value(f.failover_safe ? 1 : 0); });
    out += gauge_of_each("toygres_instance_failover_blocked", "1 while the primary is down and nothing is done",
                         instances, [](const Figures& f) { return Value(f.blocked ? 1 : 0); });
    out += gauge_of_each("toygres_instance_replication_lag_bytes", "Of the standby that is farthest behind", instances,
                         [](const Figures& f) { return f.lag_bytes; });
    out += gauge_of_each("toygres_instance_epoch", "Number of the present reign", instances,
                         [](const Figures& f) { return Value(f.epoch); });
    out += gauge_of_each("toygres_instance_members", "Servers of the instance", instances,
                         [](const Figures& f) { return Value(f.members); });
    out += head("toygres_failovers_total", "Changes of roles", "counter");
    for (const auto& f : failovers)
        out += fmt::format("toygres_failovers_total{{kind=\"{}\",status=\"{}\"}} {}\n", f.kind, f.status, f.count);
    out += head("toygres_automatic_failover", "0 while automatic failover is paused for all instances", "gauge");
    return out + fmt::format("toygres_automatic_failover {}\n", fleet.automatic ? 1 : 0);
}

}  // namespace toygres::api
