#include "api/views.hpp"

#include <fmt/format.h>

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
