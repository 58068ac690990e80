#include "activities/apply_secrets.hpp"

#include "activities/instance_services.hpp"
#include "activities/trouble_note.hpp"
#include "base/crash_point.hpp"
#include "cms/instances.hpp"
#include "kube/inspect.hpp"

namespace toygres::activities {

namespace {

// An attempt that was broken off has left its CA, which is the first of the Secrets: what follows is signed by it.
asio::awaitable<std::optional<CertificatePair>> present_ca(InstanceServices& services, const kube::InstanceSpec& spec) {
    const auto held = co_await services.kube.get(kube::resource("Secret", spec.ns, kube::ca_secret(spec.k8s_name)));
    if (!held && held.error().kind == ErrorKind::not_found) co_return std::nullopt;
    const auto& secret = value_or_raise(held);
    co_return CertificatePair{value_or_raise(kube::secret_value(secret, "ca.crt")).reveal(),
                              value_or_raise(kube::secret_value(secret, "ca.key"))};
}

asio::awaitable<ApplySecrets::Output> apply(InstanceServices& services, InstanceShape in) {
    std::optional<Secret> password;
    {
        auto lease = value_or_raise(co_await services.pool->acquire());
        if (const auto sealed = value_or_raise(co_await cms::get_sealed(*lease, in.instance, "superuser_password")))
            password = value_or_raise(services.sealer.open(*sealed, in.k8s_name));
    }
    co_return ApplySecrets::Output{co_await create_secrets(services, services.spec(in), std::move(password))};
}

}  // namespace

asio::awaitable<int> create_secrets(InstanceServices& services, kube::InstanceSpec spec,
                                    std::optional<Secret> password) {
    const auto objects = value_or_raise(kube::secret_objects(
        services.templates, spec, kube::make_secrets(spec, std::move(password), co_await present_ca(services, spec))));
    int created = 0;
    for (const auto& object : objects) {
        auto made = co_await services.kube.create(object);
        if (made)
            ++created;
        else if (made.error().code != "kube_already_exists")
            throw ErrorException(made.error());
        crash_point("effect.apply");
    }
    co_return created;
}

asio::awaitable<ApplySecrets::Output> ApplySecrets::run(runtime::ActivityContext& ctx, Input in) {
    co_return co_await telling_trouble(ctx, apply(ctx.service<InstanceServices>(), std::move(in)));
}

}  // namespace toygres::activities
