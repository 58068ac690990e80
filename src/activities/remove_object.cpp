#include "activities/remove_object.hpp"

#include "activities/instance_services.hpp"
#include "activities/trouble_note.hpp"
#include "base/crash_point.hpp"
#include "kube/watch.hpp"

namespace toygres::activities {
namespace {

asio::awaitable<Nothing> remove(InstanceServices& services, RemoveObject::Input in) {
    const auto ref = kube::resource(in.kind, in.ns, in.object);
    if (value_or_raise(co_await services.kube.remove(ref, {.propagation = kube::Propagation::background})))
        value_or_raise(co_await kube::wait_gone(services.kube, ref, std::chrono::seconds(120)));
    crash_point("effect.remove");
    co_return Nothing{};
}

}  // namespace

asio::awaitable<RemoveObject::Output> RemoveObject::run(runtime::ActivityContext& ctx, Input in) {
    co_return co_await telling_trouble(ctx, remove(ctx.service<InstanceServices>(), std::move(in)));
}

}  // namespace toygres::activities
