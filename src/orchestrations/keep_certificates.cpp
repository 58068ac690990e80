#include "orchestrations/keep_certificates.hpp"

#include "activities/renew_certificates.hpp"

namespace toygres::orchestrations {
namespace {

using namespace std::chrono_literals;

constexpr int rounds_per_execution = 100;
constexpr std::chrono::milliseconds again_after_failure = 1min;

runtime::RetryPolicy one_round() { return {.attempts = 1, .start_to_close = 30min}; }

}  // namespace

runtime::Task<KeepCertificates::Output> KeepCertificates::run(runtime::OrchestrationContext& ctx, Input in) {
    const auto interval = std::chrono::milliseconds(in.interval_ms);
    for (int i = 0; i < rounds_per_execution; ++i) {
        const auto round =
            co_await ctx.attempt(ctx.call<activities::RenewCertificates>({in.lifetime_s, in.margin_s}, one_round()));
        if (ctx.cancelled()) raise(ErrorKind::cancelled, "cancelled", *ctx.cancelled());
        const bool whole = round && round->failed.empty();
        co_await ctx.any(ctx.sleep(whole ? interval : std::min(interval, again_after_failure)), ctx.wait<Json>("wake"));
    }
    ctx.continue_as_new(in);
}

}  // namespace toygres::orchestrations
