#include "activities/wait_for_ready.hpp"

#include "activities/instance_services.hpp"
#include "activities/trouble_note.hpp"
#include "kube/watch.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace toygres::activities {
namespace {

using asio::experimental::awaitable_operators::operator||;
using namespace std::chrono_literals;

constexpr std::chrono::milliseconds look_interval = 1s;
// Before the runtime ends the attempt, which would tell nothing.
constexpr std::chrono::milliseconds end_margin = 2s;

// Puts on record why the pod is not ready for as long as it is not, and in `last`.
asio::awaitable<void> tell(InstanceServices& services, std::string orchestration, WaitForReady::Input in,
                           std::optional<ha::Trouble>& last) {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    bool told = false;
    for (;;) {
        timer.expires_after(look_interval);
        co_await timer.async_wait(asio::use_awaitable);
        auto trouble = co_await kube::member_trouble(services.kube, in.ns, in.k8s_name, in.member);
        if (told && trouble == last) continue;
        co_await note_trouble(services, orchestration, trouble);
        last = std::move(trouble);
        told = true;
    }
}

Error not_ready(const WaitForReady::Input& in, std::chrono::milliseconds waited,
                const std::optional<ha::Trouble>& trouble, const Error& error) {
    const auto what = fmt::format("Pod {}/{} was not ready within {}", in.ns, kube::member_pod(in.k8s_name, in.member),
                                  format_duration(waited));
    // Of a kind that is not tried again: the time is over.
    if (!trouble) return {ErrorKind::conflict, "member_not_ready", fmt::format("{}: {}", what, error.message)};
    return {ErrorKind::conflict, "member_not_ready", fmt::format("{}: {}: {}", what, trouble->reason, trouble->message),
            encode(*trouble)};
}

}  // namespace

asio::awaitable<WaitForReady::Output> WaitForReady::run(runtime::ActivityContext& ctx, Input in) {
    auto& services = ctx.service<InstanceServices>();
    const auto left = std::max<std::chrono::milliseconds>(ctx.deadline() - now() - end_margin, 1ms);
    const auto patience = std::min(std::chrono::milliseconds(in.timeout_ms), left);
    const auto pod = kube::resource("Pod", in.ns, kube::member_pod(in.k8s_name, in.member));
    std::optional<ha::Trouble> trouble;
    auto ended = co_await (kube::wait_until(services.kube, pod, kube::pod_ready, patience) ||
                           tell(services, ctx.orchestration(), in, trouble));
    auto& ready = std::get<0>(ended);
    if (!ready && ready.error().code == "kube_wait_timed_out")
        throw ErrorException(not_ready(in, patience, trouble, ready.error()));
    if (!ready) throw ErrorException(ready.error());
    co_await note_trouble(services, ctx.orchestration(), std::nullopt);
    co_return Output{kube::text_at(*ready, "/status/podIP")};
}

}  // namespace toygres::activities
