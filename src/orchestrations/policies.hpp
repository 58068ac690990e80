// How patient the product's orchestrations are.
#pragma once
#include "runtime/core/policy.hpp"

namespace toygres::orchestrations {

// A Kubernetes API that is away for some minutes fails no creation.
inline runtime::RetryPolicy kube_retry() {
    using namespace std::chrono_literals;
    return {.attempts = 0, .initial_delay = 200ms, .delay_max = 5s, .start_to_close = 60s, .schedule_to_close = 5min};
}

// From a ready pod to a Service that routes to it.
inline runtime::RetryPolicy connection_retry() {
    using namespace std::chrono_literals;
    return {.attempts = 0, .initial_delay = 50ms, .delay_max = 2s, .start_to_close = 20s, .schedule_to_close = 2min};
}

// Clean-up goes on for as long as trouble passes by itself.
inline runtime::RetryPolicy until_done() {
    using namespace std::chrono_literals;
    return {.attempts = 0, .initial_delay = 200ms, .delay_max = 10s, .start_to_close = 3min};
}

}  // namespace toygres::orchestrations
