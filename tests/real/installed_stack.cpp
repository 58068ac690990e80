#include "real/installed_stack.hpp"

#include "base/asio.hpp"
#include "kube/inspect.hpp"
#include "support/kubectl.hpp"
#include "support/run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace toygres::test {

namespace {

constexpr auto ns = "toygres";
constexpr auto installation = "toygres-installation";

std::string wanted_kubeconfig() {
    const auto link = std::filesystem::path(TOYGRES_BINARY_DIR) / "real.kubeconfig";
    INFO(link << " leads to no cluster with toygres: tests/real/boot makes one");
    REQUIRE(std::filesystem::exists(link));
    return std::filesystem::canonical(link).string();
}

}  // namespace

template <class F> auto InstalledStack::with_kube(F&& use) const {
    asio::io_context io;
    kube::Client client(io.get_executor(), value_or_raise(kube::load_kubeconfig(kubeconfig_)));
    return value_or_raise(run(io, use(client)));
}

InstalledStack::InstalledStack() : kubeconfig_(wanted_kubeconfig()) {
    api_url_ = "http://" + kube::service_address(object("Service", "toygres")).value();
    token_ = secret(installation, "api-token");
    up();
}

void InstalledStack::up(const std::string& crash_at) {
    REQUIRE(crash_at.empty());
    REQUIRE(eventually([&] { return servers_are_ready(); }));
}

std::string InstalledStack::database() const {
    return fmt::format("host={} user=toygres password={} dbname=postgres sslmode=require connect_timeout=10",
                       kube::text_at(object("Pod", "toygres-cms-0"), "/status/podIP"),
                       secret(installation, "database-password"));
}

std::vector<std::string> InstalledStack::volumes() const {
    std::vector<std::string> out;
    for (const auto& volume : list("PersistentVolume")) {
        const auto claim = kube::text_at(volume, "/spec/claimRef/name");
        if (kube::text_at(volume, "/spec/claimRef/namespace") == ns && claim != "data-toygres-cms-0")
            out.push_back(claim);
    }
    return out;
}

std::vector<std::string> InstalledStack::servers() const {
    std::vector<std::string> out;
    for (const auto& pod : list("Pod", server_labels))
        if (kube::text_at(pod, "/metadata/deletionTimestamp").empty())
            out.push_back(kube::text_at(pod, "/metadata/name"));
    return out;
}

bool InstalledStack::servers_are_ready(std::size_t count) const {
    const auto pods = list("Pod", server_labels);
    return pods.size() == count && std::ranges::all_of(pods, [](const Json& pod) {
               return kube::has_condition(pod, "Ready") && kube::text_at(pod, "/metadata/deletionTimestamp").empty();
           });
}

std::string InstalledStack::kubectl(const std::string& arguments) const {
    const auto ran = shell(fmt::format("KUBECONFIG={} {} -n {} {}", kubeconfig_, kubectl_program(), ns, arguments));
    INFO("kubectl " << arguments << ": " << ran.output);
    REQUIRE(ran.code == 0);
    return ran.output;
}

Json InstalledStack::object(const std::string& kind, const std::string& name) const {
    return with_kube([&](kube::Client& client) { return client.get(kube::resource(kind, ns, name)); });
}

std::vector<Json> InstalledStack::list(const std::string& kind, const std::string& labels) const {
    return with_kube(
               [&](kube::Client& client) { return client.list(kube::resource(kind, ns, ""), {.labels = labels}); })
        .items;
}

std::string InstalledStack::secret(const std::string& name, const std::string& key) const {
    return std::string(value_or_raise(kube::secret_value(object("Secret", name), key)).reveal());
}

std::string InstalledStack::environment() const {
    return fmt::format("TOYGRES_STATE_DIR={} TOYGRES_API_URL={} TOYGRES_API_TOKEN={} KUBECONFIG={} NO_COLOR=1 {}",
                       directory, api_url_, token_, kubeconfig_, environment_more);
}

InstalledStack& installed_stack() {
    static InstalledStack stack;
    return stack;
}

Stack& shared_stack() { return installed_stack(); }

}  // namespace toygres::test
