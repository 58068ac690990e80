#include "orchestrations/verify_replication.hpp"

#include "activities/end_operation.hpp"
#include "activities/fail_operation.hpp"

#include <fmt/format.h>

namespace toygres::orchestrations {
namespace {

using namespace activities;
using namespace std::chrono_literals;

std::string failures_of(const VerifyMarker::Output& seen) {
    std::string out;
    for (const auto& standby : seen.standbys)
        if (!standby.readable)
            out += fmt::format("{}{}: {}", out.empty() ? "" : "; ", standby.member, standby.error.value_or(""));
    return out;
}

}  // namespace

runtime::Task<VerifyReplication::Output> VerifyReplication::run(runtime::OrchestrationContext& ctx, Input in) {
    // Standbys are looked at one after the other.
    const auto longest = std::chrono::milliseconds(in.timeout_ms) * ha::members_max + 10s;
    auto seen = co_await ctx.attempt(ctx.call<VerifyMarker>(
        {in.instance, in.timeout_ms}, runtime::RetryPolicy{.attempts = 2, .start_to_close = longest}));
    std::optional<Error> wrong;
    if (!seen)
        wrong = seen.error();
    else if (const auto failures = failures_of(*seen); !failures.empty())
        wrong = Error{ErrorKind::conflict, "not_replicated", failures, encode(*seen)};
    auto shield = ctx.shield();
    if (wrong) {
        co_await ctx.transact<FailOperation>({in.operation, *wrong});
        throw ErrorException(*wrong);
    }
    co_await ctx.transact<EndOperation>({in.operation, encode(*seen)});
    co_return *std::move(seen);
}

}  // namespace toygres::orchestrations
