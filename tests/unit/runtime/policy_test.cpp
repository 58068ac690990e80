// How a retry policy is stored: by what differs from defaults that histories therefore depend on.
#include "runtime/core/policy.hpp"

#include "support/catch.hpp"

using namespace toygres;
using namespace toygres::runtime;

TEST_CASE("policy: histories are read by these defaults; other ones would change what was recorded") {
    CHECK(encode(RetryPolicy{}) == Json{{"attempts", 3},
                                        {"backoff", "exponential"},
                                        {"initial_delay", 200},
                                        {"delay_max", 10'000},
                                        {"jitter_percent", 20},
                                        {"start_to_close", 60'000},
                                        {"schedule_to_close", 0},
                                        {"heartbeat_timeout", 0},
                                        {"non_retryable", Json::array()}});
}

TEST_CASE("policy: what is unusual is stored, and read again as it was") {
    CHECK(stored_policy({}).is_null());
    const RetryPolicy unusual{.attempts = 0, .backoff = Backoff::fixed, .non_retryable = {"no_such_thing"}};
    CHECK(stored_policy(unusual) == Json{{"attempts", 0}, {"backoff", "fixed"}, {"non_retryable", {"no_such_thing"}}});
    CHECK(policy_from_stored(stored_policy(unusual)) == unusual);
    CHECK(policy_from_stored(Json()) == RetryPolicy{});
    CHECK(policy_from_stored(encode(unusual)) == unusual);  // as earlier releases stored it: whole
    CHECK_THROWS_AS(policy_from_stored({{"attempts", "many"}}), ErrorException);
    CHECK_THROWS_AS(policy_from_stored("often"), ErrorException);
}
