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
// An instance by itself: with its replication and the policy of that.
Json full_view(const cms::Instance& instance, const cms::Replication& replication);
// With input and output; the summary is without.
Json view(const runtime::OrchestrationRow& row);
Json summary(const runtime::OrchestrationRow& row);

// With sslmode=verify-full against the instance's CA. An IP address goes where libpq connects to, beside the name in
// the cluster, which every server's certificate proves; a load balancer's name is proved itself. `credentials`: "user"
// or "user:password", percent-encoded.
std::string connection_url(const std::string& credentials, const std::string& address,
                           const std::optional<std::string>& dns_name);
inline constexpr auto superuser = "postgres";
inline constexpr int postgres_port = 5432;

}  // namespace toygres::api
