#include "activities/assign_role.hpp"

#include "activities/instance_services.hpp"

namespace toygres::activities {

asio::awaitable<AssignRole::Output> AssignRole::run(runtime::ActivityContext& ctx, Input in) {
    auto& services = ctx.service<InstanceServices>();
    value_or_raise(co_await services.kube.patch(kube::resource("Pod", in.ns, kube::member_pod(in.k8s_name, in.member)),
                                                kube::PatchType::merge, kube::role_label_patch(ha::Role::primary)));
    co_return Nothing{};
}

}  // namespace toygres::activities
