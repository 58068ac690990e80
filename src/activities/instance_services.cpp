#include "activities/instance_services.hpp"

#include "base/file.hpp"
#include "kube/inspect.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace toygres::activities {
namespace {

using namespace std::chrono_literals;

// A look of the monitor takes as long as the longest check interval and a minute; a monitor asks again at once.
constexpr std::chrono::hours unwatched_for{3};
constexpr std::size_t log_ins_max = 8;  // at once
constexpr std::chrono::minutes drop_interval{10};

// A value of a libpq connection string.
std::string conninfo_quoted(std::string_view value) {
    std::string out = "'";
    for (const char c : value) {
        if (c == '\'' || c == '\\') out += '\\';
        out += c;
    }
    return out += "'";
}

}  // namespace

InstanceServices::InstanceServices(std::shared_ptr<pg::Pool> db, kube::Client& cluster,
                                   const kube::Templates& manifests, const Sealer& seal, runtime::Client& client,
                                   std::string agent_image, std::optional<std::string> storage_class,
                                   std::string scratch_directory, std::string installation)
    : pool(std::move(db)),
      log_ins(cluster.executor(), log_ins_max),
      kube(cluster),
      topologies(cluster),
      templates(manifests),
      sealer(seal),
      orchestrations(client),
      agent_image_(std::move(agent_image)),
      storage_class_(std::move(storage_class)),
      scratch_(std::move(scratch_directory)),
      installation_(std::move(installation)),
      agents_(cluster.executor(), cluster),
      pods_(cluster) {
    std::filesystem::create_directories(scratch_);
    std::filesystem::permissions(scratch_, std::filesystem::perms::owner_all);
}

InstanceServices::~InstanceServices() {
    std::error_code ignored;
    std::filesystem::remove_all(scratch_, ignored);
}

void InstanceServices::announce(std::string orchestration) {
    asio::co_spawn(kube.executor(), orchestrations.announce(std::move(orchestration)), asio::detached);
}

asio::awaitable<std::map<std::string, ha::AgentStatus>> InstanceServices::ask_members(
    InstanceRef instance, std::vector<std::string> members) {
    std::map<std::string, ha::AgentStatus> out;
    const auto pods = co_await kube.list(kube::resource("Pod", instance.ns, ""),
                                         {.labels = kube::instance_selector(instance.k8s_name)});
    if (!pods) co_return out;
    for (const auto& pod : pods->items) {
        const auto member = kube::text_at(pod, "/metadata/labels/toygres.io~1member");
        const auto address = kube::text_at(pod, "/status/podIP");
        if (address.empty() || std::ranges::find(members, member) == members.end()) continue;
        auto status =
            co_await agents_.status({instance.k8s_name, instance.ns, ha::number_of(member), address}, 500ms, 1s);
        if (status) out.emplace(member, *std::move(status));
    }
    co_return out;
}

kube::InstanceSpec InstanceServices::spec(const InstanceShape& shape, const Json& placement) const {
    kube::InstanceSpec out{};
    out.placement = decode<kube::Placement>(placement);
    out.name = shape.name;
    out.instance_id = shape.instance;
    out.k8s_name = shape.k8s_name;
    out.ns = shape.ns;
    out.postgres_version = shape.postgres_version;
    out.storage_gb = shape.storage_size_gb;
    out.members = shape.members;
    out.service_type = shape.use_load_balancer ? kube::ServiceType::LoadBalancer : kube::ServiceType::ClusterIP;
    out.agent_image = agent_image_;
    out.storage_class = out.placement->storage_class ? out.placement->storage_class : storage_class_;
    out.resources = out.placement->resources;
    if (!installation_.empty()) out.installation = installation_;
    return out;
}

MemberWatch& InstanceServices::watch(const InstanceRef& instance) {
    drop_unwatched();
    auto& watched = watches_[instance.k8s_name];
    if (!watched.members) watched.members = std::make_unique<MemberWatch>(kube, agents_, pods_, instance);
    watched.asked_for_at = std::chrono::steady_clock::now();
    return *watched.members;
}

void InstanceServices::drop_unwatched() {
    const auto at = std::chrono::steady_clock::now();
    if (at - dropped_at_ < drop_interval) return;
    dropped_at_ = at;
    std::erase_if(watches_, [&](const auto& entry) {
        const auto& [k8s_name, watched] = entry;
        if (at - watched.asked_for_at < unwatched_for) return false;
        forget_certificates(k8s_name);
        return true;
    });
}

void InstanceServices::forget_certificates(const std::string& k8s_name) {
    forget(k8s_name);
    agents_.forget(k8s_name);
    sessions.drop(k8s_name);
}

void InstanceServices::forget(const std::string& k8s_name) {
    endpoints_.erase(k8s_name);
    std::error_code ignored;
    std::filesystem::remove(fmt::format("{}/{}.crt", scratch_, k8s_name), ignored);
}

asio::awaitable<Result<InstanceEndpoint>> InstanceServices::endpoint(std::string k8s_name, std::string ns) {
    if (const auto it = endpoints_.find(k8s_name); it != endpoints_.end()) co_return it->second;
    auto service = co_await kube.get(kube::resource("Service", ns, kube::rw_service(k8s_name)));
    if (!service) co_return std::unexpected(std::move(service).error());
    const auto address = kube::service_address(*service);
    if (!address)
        co_return std::unexpected(Error{ErrorKind::transient, "no_address",
                                        fmt::format("Service {} has no address yet", kube::rw_service(k8s_name))});
    auto secret = co_await kube.get(kube::resource("Secret", ns, kube::superuser_secret(k8s_name)));
    if (!secret) co_return std::unexpected(std::move(secret).error());
    auto password = kube::secret_value(*secret, "password");
    if (!password) co_return std::unexpected(std::move(password).error());
    auto tls = co_await kube.get(kube::resource("Secret", ns, kube::tls_secret(k8s_name)));
    if (!tls) co_return std::unexpected(std::move(tls).error());
    auto ca = kube::secret_value(*tls, "ca.crt");
    if (!ca) co_return std::unexpected(std::move(ca).error());
    const auto ca_file = fmt::format("{}/{}.crt", scratch_, k8s_name);
    if (auto written = write_file_atomically(ca_file, ca->reveal(), 0600); !written)
        co_return std::unexpected(std::move(written).error());
    InstanceEndpoint out{.address = *address,
                         .dns_name = fmt::format("{}.{}.svc.cluster.local", kube::rw_service(k8s_name), ns),
                         .conninfo = {}};
    // An address that is no IP is a load balancer's name: let libpq look it up, and check the certificate's chain.
    boost::system::error_code ec;
    asio::ip::make_address(*address, ec);
    const auto where =
        ec ? fmt::format("host={} sslmode=verify-ca", conninfo_quoted(*address))
           : fmt::format("host={} hostaddr={} sslmode=verify-full", conninfo_quoted(out.dns_name), *address);
    out.conninfo = Secret(fmt::format("{} port=5432 user=postgres dbname=postgres password={} sslrootcert={}", where,
                                      conninfo_quoted(password->reveal()), conninfo_quoted(ca_file)));
    endpoints_[k8s_name] = out;
    co_return out;
}

}  // namespace toygres::activities
