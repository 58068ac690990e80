#include "activities/list_objects.hpp"

#include "activities/instance_services.hpp"
#include "kube/inspect.hpp"

namespace toygres::activities {

asio::awaitable<ListObjects::Output> ListObjects::run(runtime::ActivityContext& ctx, Input in) {
    auto& services = ctx.service<InstanceServices>();
    Output out{};
    const auto known = kube::deletion_order(in.k8s_name, in.ns, 1);
    std::vector<Object> present;
    for (const auto& kind : kube::swept_kinds()) {
        const auto listing = value_or_raise(co_await services.kube.list(
            kube::resource(kind, in.ns, ""), {.labels = kube::instance_selector(in.k8s_name)}));
        for (const auto& object : listing.items) present.push_back({kind, kube::text_at(object, "/metadata/name")});
    }
    const auto rank = [&](const Object& object) {
        const auto it = std::ranges::find_if(
            known, [&](const auto& ref) { return ref.kind == object.kind && ref.name == object.object; });
        return it - known.begin();
    };
    // What no name leads to goes last, in the order of its kind.
    std::multimap<std::ptrdiff_t, Object> ordered;
    for (auto& object : present) ordered.emplace(rank(object), std::move(object));
    for (auto& [position, object] : ordered) out.objects.push_back(std::move(object));
    services.forget(in.k8s_name);
    co_return out;
}

}  // namespace toygres::activities
