#include "activities/wait_for_ready.hpp"

#include "activities/instance_services.hpp"
#include "kube/watch.hpp"

namespace toygres::activities {

asio::awaitable<WaitForReady::Output> WaitForReady::run(runtime::ActivityContext& ctx, Input in) {
    auto& services = ctx.service<InstanceServices>();
    const auto pod = value_or_raise(
        co_await kube::wait_until(services.kube, kube::resource("Pod", in.ns, kube::member_pod(in.k8s_name, in.member)),
                                  kube::pod_ready, std::chrono::milliseconds(in.timeout_ms)));
    co_return Output{kube::text_at(pod, "/status/podIP")};
}

}  // namespace toygres::activities
