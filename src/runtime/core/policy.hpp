// How often and how long an activity is tried. Stored with the command, so that recovery goes on by the same rules.
#pragma once
#include "base/json.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace toygres::runtime {

using std::chrono::milliseconds;

enum class Backoff : std::uint8_t { fixed, linear, exponential };
BOOST_DESCRIBE_ENUM(Backoff, fixed, linear, exponential)

struct RetryPolicy {
    int attempts = 3;  // the first one included; 0: no limit
    Backoff backoff = Backoff::exponential;
    milliseconds initial_delay{200};
    milliseconds delay_max{10'000};
    int jitter_percent = 20;                   // of the delay, up or down
    milliseconds start_to_close{60'000};       // one attempt
    milliseconds schedule_to_close{0};         // all attempts together; 0: no limit
    milliseconds heartbeat_timeout{0};         // longest silence of an attempt; 0: none expected
    std::vector<std::string> non_retryable{};  // error codes that end it at once

    bool operator==(const RetryPolicy&) const = default;
};
BOOST_DESCRIBE_STRUCT(RetryPolicy, (),
                      (attempts, backoff, initial_delay, delay_max, jitter_percent, start_to_close, schedule_to_close,
                       heartbeat_timeout, non_retryable))

// As it is stored: what differs from the defaults above, which therefore stay as they are; null when nothing does.
Json stored_policy(const RetryPolicy& policy);
// Raises invalid/"invalid_field".
RetryPolicy policy_from_stored(const Json& options);

// The wait before attempt `next` (2 is the first retry), before jitter.
milliseconds delay_before(const RetryPolicy& policy, int next);

// What becomes of a child when its parent ends first.
enum class ClosePolicy : std::uint8_t { cancel, abandon };
BOOST_DESCRIBE_ENUM(ClosePolicy, cancel, abandon)

// What starting an id that exists already does. `replace_terminal` starts a new execution of an ended one.
enum class OnConflict : std::uint8_t { fail, use_existing, replace_terminal };
BOOST_DESCRIBE_ENUM(OnConflict, fail, use_existing, replace_terminal)

}  // namespace toygres::runtime
