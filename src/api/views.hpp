// What is shown of the CMS's and the runtime's records.
#pragma once
#include "cms/instances.hpp"
#include "cms/operations.hpp"
#include "cms/replication.hpp"
#include "runtime/store/records.hpp"

namespace toygres::api {

// With the URL to connect by once it has an address; without a password.
Json view(const cms::Instance& instance);
Json view(const cms::Operation& operation);
// Who is what, and whether a failover would be safe.
Json view(const cms::Instance& instance, const cms::Replication& replication);
// With input and output; the summary is without.
Json view(const runtime::OrchestrationRow& row);
Json summary(const runtime::OrchestrationRow& row);

// Each instance has a CA of its own, which signs its servers and nobody else's: a chain that verifies proves the
// server, whatever address it is reached by. `credentials`: "user" or "user:password", percent-encoded.
std::string connection_url(const std::string& credentials, const std::string& host);
inline constexpr auto superuser = "postgres";
inline constexpr int postgres_port = 5432;

}  // namespace toygres::api
