#include "api/views.hpp"

#include "orchestrations/tend_replication.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace toygres::api {

Json view(const cms::Instance& instance) {
    auto out = encode(instance);
    out["namespace"] = std::move(out["ns"]);
    out.erase("ns");
    if (instance.external_ip) out["url"] = connection_url(superuser, *instance.external_ip);
    return out;
}

Json view(const cms::Operation& operation) {
    auto out = encode(operation);
    out.erase("request_digest");
    return out;
}

Json view(const cms::Instance& instance, const cms::Replication& replication) {
    const auto record = decode<ha::Record>(replication.record);
    Json out = {{"instance", instance.name},
                {"state", enum_name(record.state)},
                {"mode", enum_name(record.mode)},
                {"durability", enum_name(record.durability)},
                {"epoch", record.epoch},
                {"primary", record.primary.empty() ? Json() : Json(record.primary)},
                {"failover_safe", record.failover_safe},
                {"automatic_failover", record.automatic_failover},
                {"lag_bytes", replication.lag_bytes ? Json(*replication.lag_bytes) : Json()},
                {"blocked", replication.blocked ? Json(*replication.blocked) : Json()},
                {"members", Json::array()},
                {"updated_at", format_rfc3339(replication.updated_at)}};
    for (const auto& member : record.members)
        out["members"].push_back({{"name", member},
                                  {"role", member == record.primary ? "primary" : "replica"},
                                  {"synchronous", std::ranges::find(record.armed, member) != record.armed.end()},
                                  {"fenced", std::ranges::find(record.fenced, member) != record.fenced.end()}});
    return out;
}

Json view(const runtime::OrchestrationRow& row) {
    auto out = encode(row);
    for (const auto* hidden : {"key", "next_event"}) out.erase(hidden);
    return out;
}

Json summary(const runtime::OrchestrationRow& row) {
    auto out = view(row);
    for (const auto* bulky : {"input", "output"}) out.erase(bulky);
    return out;
}

std::string connection_url(const std::string& credentials, const std::string& host) {
    const auto authority = host.contains(':') ? "[" + host + "]" : host;
    return fmt::format("postgresql://{}@{}:{}/postgres?sslmode=verify-ca", credentials, authority, postgres_port);
}

}  // namespace toygres::api
