#include "runtime/core/policy.hpp"

namespace toygres::runtime {

milliseconds delay_before(const RetryPolicy& policy, int next) {
    const int retries = std::max(next - 1, 1);
    auto delay = policy.initial_delay;
    if (policy.backoff == Backoff::linear) delay *= retries;
    if (policy.backoff == Backoff::exponential)
        for (int i = 1; i < retries && delay < policy.delay_max; ++i) delay *= 2;
    return std::min(delay, policy.delay_max);
}

}  // namespace toygres::runtime
