#include "activities/remove_object.hpp"

#include "activities/instance_services.hpp"
#include "activities/trouble_note.hpp"
#include "base/crash_point.hpp"
#include "kube/watch.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

namespace toygres::activities {
namespace {

using asio::experimental::awaitable_operators::operator||;
using namespace std::chrono_literals;

constexpr auto look_interval = 5s;
constexpr std::chrono::milliseconds patience = 2min;

// Puts on record what holds the object for as long as it does not go, and in `last`.
asio::awaitable<void> tell(InstanceServices& services, std::string orchestration, kube::ResourceRef ref,
                           std::optional<ha::Trouble>& last) {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    for (;;) {
        timer.expires_after(look_interval);
        co_await timer.async_wait(asio::use_awaitable);
        const auto object = co_await services.kube.get(ref);
        if (!object) continue;
        auto trouble = kube::trouble_of_deletion(*object, now());
        if (trouble == last) continue;
        co_await note_trouble(services, orchestration, trouble);
        last = std::move(trouble);
    }
}

asio::awaitable<Nothing> remove(InstanceServices& services, std::string orchestration, RemoveObject::Input in) {
    const auto ref = kube::resource(in.kind, in.ns, in.object);
    if (value_or_raise(co_await services.kube.remove(ref, {.propagation = kube::Propagation::background}))) {
        std::optional<ha::Trouble> trouble;
        auto ended =
            co_await (kube::wait_gone(services.kube, ref, patience) || tell(services, orchestration, ref, trouble));
        auto& gone = std::get<0>(ended);
        if (!gone && trouble) gone.error().details = encode(*trouble);
        value_or_raise(std::move(gone));
        if (trouble) co_await note_trouble(services, orchestration, std::nullopt);
    }
    crash_point("effect.remove");
    co_return Nothing{};
}

}  // namespace

asio::awaitable<RemoveObject::Output> RemoveObject::run(runtime::ActivityContext& ctx, Input in) {
    co_return co_await telling_trouble(ctx,
                                       remove(ctx.service<InstanceServices>(), ctx.orchestration(), std::move(in)));
}

}  // namespace toygres::activities
