#include "activities/deploy_postgres.hpp"

#include "activities/instance_services.hpp"
#include "activities/trouble_note.hpp"
#include "base/crash_point.hpp"
#include "cms/instances.hpp"

namespace toygres::activities {
namespace {

asio::awaitable<Json> placement_of(InstanceServices& services, std::string instance) {
    auto lease = value_or_raise(co_await services.pool->acquire());
    co_return value_or_raise(co_await cms::get_instance(*lease, std::move(instance))).placement;
}

asio::awaitable<DeployPostgres::Output> deploy(InstanceServices& services, InstanceShape in) {
    const auto spec = services.spec(in, co_await placement_of(services, in.instance));
    DeployPostgres::Output out{0};
    for (auto& object : value_or_raise(kube::instance_objects(services.templates, spec, kube::first_topology(spec)))) {
        // The topology is made once; from then on it follows the record.
        if (object.value("kind", "") == "ConfigMap") {
            const auto made = co_await services.kube.create(std::move(object));
            if (!made && made.error().code != "kube_already_exists") throw ErrorException(made.error());
            out.changed += made.has_value();
        } else {
            out.changed += value_or_raise(co_await services.kube.apply(std::move(object))).changed;
        }
        crash_point("effect.apply");
    }
    co_return out;
}

}  // namespace

asio::awaitable<DeployPostgres::Output> DeployPostgres::run(runtime::ActivityContext& ctx, Input in) {
    co_return co_await telling_trouble(ctx, deploy(ctx.service<InstanceServices>(), std::move(in)));
}

}  // namespace toygres::activities
