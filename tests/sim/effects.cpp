#include "effects.hpp"

namespace toygres::sim {
namespace {

int begun(ActivityContext& ctx, std::string_view name) {
    auto& around = ctx.service<Surroundings>();
    return around.checker.activity_begun(ctx, name, around.worker());
}

asio::awaitable<void> pause(Surroundings& around, int millis) {
    if (millis == 0) co_return;
    Pause wait(around.executor, around.clock);
    co_await wait.wait(milliseconds(millis));
}

}  // namespace

asio::awaitable<Done> Add::run(ActivityContext& ctx, Job in) {
    const auto run = begun(ctx, name);
    co_await pause(ctx.service<Surroundings>(), in.millis);
    if (ctx.attempt() <= in.failures) raise(ErrorKind::transient, "not_yet", "try again", {{"run", run}});
    co_return Done{in.value + 1, run};
}

asio::awaitable<Done> Refuse::run(ActivityContext& ctx, Job in) {
    const auto run = begun(ctx, name);
    co_await pause(ctx.service<Surroundings>(), in.millis);
    raise(ErrorKind::conflict, "refused", "no", {{"run", run}});
}

asio::awaitable<Done> Hang::run(ActivityContext& ctx, Job in) {
    const auto run = begun(ctx, name);
    for (;;) {
        co_await pause(ctx.service<Surroundings>(), 3'600'000);
        if (ctx.stop_token().stop_requested()) co_return Done{in.value, run};
    }
}

asio::awaitable<Number> Deposit::run(StepContext& ctx, Job in) {
    co_await pause(ctx.service<Surroundings>(), in.millis);
    if (in.value < 0) raise(ErrorKind::conflict, "overdrawn", "no");
    co_return Number{in.value};
}

}  // namespace toygres::sim
