#include "orchestrations/post_alert.hpp"

namespace toygres::orchestrations {

runtime::Task<PostAlert::Output> PostAlert::run(runtime::OrchestrationContext& ctx, Input in) {
    using namespace std::chrono_literals;
    const runtime::RetryPolicy patient{
        .attempts = 0, .initial_delay = 500ms, .delay_max = 5min, .start_to_close = 15s, .schedule_to_close = 24h};
    co_return co_await ctx.call<activities::PostAlert>(std::move(in), patient);
}

}  // namespace toygres::orchestrations
