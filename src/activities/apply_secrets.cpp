#include "activities/apply_secrets.hpp"

#include "activities/instance_services.hpp"
#include "base/crash_point.hpp"
#include "cms/instances.hpp"

namespace toygres::activities {

asio::awaitable<ApplySecrets::Output> ApplySecrets::run(runtime::ActivityContext& ctx, Input in) {
    auto& services = ctx.service<InstanceServices>();
    std::optional<Secret> password;
    {
        auto lease = value_or_raise(co_await services.pool->acquire());
        if (const auto sealed = value_or_raise(co_await cms::get_sealed(*lease, in.instance, "superuser_password")))
            password = value_or_raise(services.sealer.open(*sealed, in.k8s_name));
    }
    const auto spec = services.spec(in);
    const auto objects =
        value_or_raise(kube::secret_objects(services.templates, spec, kube::make_secrets(spec, std::move(password))));
    Output out{0};
    for (const auto& object : objects) {
        auto made = co_await services.kube.create(object);
        if (made)
            ++out.created;
        else if (made.error().code != "kube_already_exists")
            throw ErrorException(made.error());
        crash_point("effect.apply");
    }
    co_return out;
}

}  // namespace toygres::activities
