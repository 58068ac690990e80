#include "activities/check_health.hpp"

#include "activities/instance_services.hpp"
#include "kube/inspect.hpp"

namespace toygres::activities {
namespace {

constexpr pg::Query probe_query{"instance.probe", "SELECT current_setting('server_version'), pg_is_in_recovery()"};
constexpr auto probe_timeout = std::chrono::seconds(5);

// The version, or why there is none.
asio::awaitable<Result<std::string>> probe(InstanceServices& services, InstanceRef in) {
    auto endpoint = co_await services.endpoint(in.k8s_name, in.ns);
    if (!endpoint) co_return std::unexpected(std::move(endpoint).error());
    auto connection =
        co_await pg::Connection::connect(endpoint->conninfo.reveal(), "", "toygres monitor", probe_timeout);
    if (!connection) co_return std::unexpected(std::move(connection).error());
    auto rows = co_await (*connection)->execute(probe_query);
    if (!rows) co_return std::unexpected(std::move(rows).error());
    if ((*rows)[0].get<bool>(1))
        co_return std::unexpected(Error{ErrorKind::conflict, "primary_in_recovery", "the primary is in recovery"});
    co_return (*rows)[0].get<std::string>(0);
}

// A recreated pod has no role, and so no traffic, until somebody gives it one.
asio::awaitable<void> restore_role(InstanceServices& services, InstanceRef in) {
    const auto ref = kube::resource("Pod", in.ns, kube::member_pod(in.k8s_name, 1));
    const auto pod = co_await services.kube.get(ref);
    if (!pod || !kube::has_condition(*pod, "Ready")) co_return;
    const auto labels = pod->value("/metadata/labels"_json_pointer, Json::object());
    if (labels.value(std::string(kube::role_label), "") == "primary") co_return;
    co_await services.kube.patch(ref, kube::PatchType::merge, kube::role_label_patch(ha::Role::primary));
}

}  // namespace

asio::awaitable<CheckHealth::Output> CheckHealth::run(runtime::ActivityContext& ctx, Input in) {
    auto& services = ctx.service<InstanceServices>();
    const auto began = std::chrono::steady_clock::now();
    const auto version = co_await probe(services, in);
    const auto took =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began).count();
    if (version) co_return Output{true, *version, took, std::nullopt};
    services.forget(in.k8s_name);
    co_await restore_role(services, in);
    co_return Output{false, std::nullopt, took, version.error().message};
}

}  // namespace toygres::activities
