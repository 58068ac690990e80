#include "runtime/core/policy.hpp"

namespace toygres::runtime {
namespace {

const Json& default_policy() {
    static const Json instance = encode(RetryPolicy{});
    return instance;
}

}  // namespace

Json stored_policy(const RetryPolicy& policy) {
    static const RetryPolicy usual;
    if (policy == usual) return {};
    Json out;
    const auto all = encode(policy);
    for (const auto& [key, value] : all.items())
        if (value != default_policy().at(key)) out[key] = value;
    return out;
}

RetryPolicy policy_from_stored(const Json& options) {
    if (options.is_null()) return {};
    if (!options.is_object()) return decode<RetryPolicy>(options);
    auto all = default_policy();
    all.update(options);
    return decode<RetryPolicy>(all);
}

milliseconds delay_before(const RetryPolicy& policy, int next) {
    const int retries = std::max(next - 1, 1);
    auto delay = policy.initial_delay;
    if (policy.backoff == Backoff::linear) delay *= retries;
    if (policy.backoff == Backoff::exponential)
        for (int i = 1; i < retries && delay < policy.delay_max; ++i) delay *= 2;
    return std::min(delay, policy.delay_max);
}

}  // namespace toygres::runtime
