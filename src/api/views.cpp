#include "api/views.hpp"

#include "base/asio.hpp"
#include "http/message.hpp"
#include "orchestrations/tend_replication.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace toygres::api {

Json view(const cms::Instance& instance) {
    auto out = encode(instance);
    out["namespace"] = std::move(out["ns"]);
    out.erase("ns");
    if (instance.external_ip) out["url"] = connection_url(superuser, *instance.external_ip, instance.dns_name);
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
                {"checked_at", replication.checked_at ? Json(format_rfc3339(*replication.checked_at)) : Json()},
                {"blocked", replication.blocked ? Json(*replication.blocked) : Json()},
                {"alerts", replication.alerts},
                {"members", Json::array()},
                {"updated_at", format_rfc3339(replication.updated_at)}};
    for (const auto& member : record.members)
        out["members"].push_back({{"name", member},
                                  {"role", member == record.primary ? "primary" : "replica"},
                                  {"synchronous", std::ranges::find(record.armed, member) != record.armed.end()},
                                  {"fenced", std::ranges::find(record.fenced, member) != record.fenced.end()}});
    return out;
}

Json full_view(const cms::Instance& instance, const cms::Replication& replication) {
    auto out = view(instance);
    out["replication"] = view(instance, replication);
    out["replication"]["policy"] = replication.policy;
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

std::string connection_url(const std::string& credentials, const std::string& address,
                           const std::optional<std::string>& dns_name) {
    boost::system::error_code error;
    asio::ip::make_address(address, error);
    if (!error && dns_name)
        return fmt::format("postgresql://{}@{}:{}/postgres?hostaddr={}&sslmode=verify-full", credentials, *dns_name,
                           postgres_port, http::percent_encode(address));
    const auto authority = address.contains(':') ? "[" + address + "]" : address;
    return fmt::format("postgresql://{}@{}:{}/postgres?sslmode=verify-full", credentials, authority, postgres_port);
}

}  // namespace toygres::api
