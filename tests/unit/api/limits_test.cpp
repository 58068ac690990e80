// Lock-out and the limit of refusals in the audit, by a clock of the test's own.
#include "api/address.hpp"
#include "api/denial_limit.hpp"
#include "api/lock_out.hpp"
#include "api/rate_limit.hpp"
#include "support/catch.hpp"

#include <fmt/format.h>

using namespace toygres;
using namespace toygres::api;
using namespace std::chrono_literals;

namespace {

const LockOut::Time start = LockOut::Time() + 24h;

// Wrong tokens until it is locked out; how many that took.
int provoke(LockOut& lock_out, const std::string& network, LockOut::Time at) {
    for (int n = 1; n <= 100; ++n)
        if (lock_out.failed(network, at)) return n;
    return 0;
}

}  // namespace

TEST_CASE("address: without the port; IPv6 counts by its /64") {
    CHECK(address_of("192.0.2.7:54321") == "192.0.2.7");
    CHECK(address_of("[2001:db8::1]:54321") == "2001:db8::1");
    CHECK(network_of("192.0.2.7") == "192.0.2.7");
    CHECK(network_of("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::/64");
    CHECK(network_of("2001:db8:1:2:ffff::") == "2001:db8:1:2::/64");
    CHECK(network_of("::ffff:192.0.2.7") == "192.0.2.7");
    CHECK(network_of("") == "");
}

TEST_CASE("lock-out: so many wrong tokens within a minute, and only of that network") {
    LockOut lock_out;
    CHECK(provoke(lock_out, "a", start) == LockOut::failures_max);
    CHECK(lock_out.wait_of("a", start) == 30s);
    CHECK(lock_out.wait_of("a", start + 29500ms) == 1s);
    CHECK_FALSE(lock_out.wait_of("a", start + 30s));
    CHECK_FALSE(lock_out.wait_of("b", start));
}

TEST_CASE("lock-out: wrong tokens that are further apart do not add up") {
    LockOut lock_out;
    for (int n = 0; n < 100; ++n) CHECK_FALSE(lock_out.failed("a", start + n * 10s));
}

TEST_CASE("lock-out: the wait doubles up to its limit, and is forgiven after a quiet hour") {
    LockOut lock_out;
    auto at = start;
    for (const auto expected : {30s, 60s, 120s, 240s, 480s, 900s, 900s}) {
        REQUIRE(provoke(lock_out, "a", at) > 0);
        const auto wait = lock_out.wait_of("a", at);
        REQUIRE(wait);
        CHECK(*wait == expected);
        at += *wait;
    }
    at += LockOut::forgiven_after;
    REQUIRE(provoke(lock_out, "a", at) > 0);
    CHECK(lock_out.wait_of("a", at) == 30s);
}

TEST_CASE("lock-out: remembers a bounded number of networks, and those that wait the longest") {
    LockOut lock_out;
    REQUIRE(provoke(lock_out, "guilty", start) > 0);
    for (std::size_t n = 0; n < 2 * LockOut::networks_max; ++n) lock_out.failed(fmt::format("n{}", n), start);
    CHECK(lock_out.size() == LockOut::networks_max);
    CHECK(lock_out.wait_of("guilty", start));
}

TEST_CASE("denials: ten of a network in a minute have an entry; the next one tells how many had none") {
    DenialLimit limit;
    for (int n = 0; n < DenialLimit::of_network_max; ++n) CHECK(limit.admit("a", start) == 0);
    for (int n = 0; n < 5; ++n) CHECK_FALSE(limit.admit("a", start + 1s));
    CHECK(limit.admit("b", start + 1s) == 0);
    CHECK(limit.take_left_out(start + 59s).empty());
    const auto told = limit.take_left_out(start + 60s);
    REQUIRE(told.size() == 1);
    CHECK(told[0].network == "a");
    CHECK(told[0].count == 5);
    CHECK(limit.take_left_out(start + 60s).empty());
    CHECK(limit.admit("a", start + 60s) == 0);
}

TEST_CASE("denials: of all networks together there are so many entries a minute, and few tell of the rest") {
    DenialLimit limit;
    int entries = 0;
    int all = 0;
    for (int n = 0; n < 10'000; ++n) {
        ++all;
        entries += limit.admit(fmt::format("n{}", n), start).has_value() ? 1 : 0;
    }
    CHECK(entries == DenialLimit::of_all_max);
    const auto told = limit.take_left_out(start + 60s);
    CHECK(told.size() == DenialLimit::of_network_max + 1);
    int left_out = 0;
    for (const auto& [network, count] : told) left_out += count;
    CHECK(entries + left_out == all);
}

TEST_CASE("rate: a token may make a burst, then so many calls a second, and no other token waits for it") {
    RateLimit limit({.per_second = 10, .burst = 20});
    for (int n = 0; n < 20; ++n) CHECK_FALSE(limit.take("a", start));
    CHECK(limit.take("a", start) == 1s);
    CHECK_FALSE(limit.take("b", start));
    CHECK(limit.take("a", start + 99ms));
    CHECK_FALSE(limit.take("a", start + 100ms));
    CHECK(limit.take("a", start + 100ms));
    int made = 0;
    for (int ms = 1000; ms < 11'000; ++ms) made += limit.take("a", start + std::chrono::milliseconds(ms)) ? 0 : 1;
    CHECK(made >= 100);
    CHECK(made <= 110);
}

TEST_CASE("rate: what a call is worth beyond itself is waited for by the next, and by no other token") {
    RateLimit limit({.per_second = 10, .burst = 20});
    CHECK_FALSE(limit.take("a", start));
    limit.owe("a", 99, start);
    CHECK(limit.take("a", start) == 9s);
    CHECK_FALSE(limit.take("b", start));
    CHECK(limit.take("a", start + 8'000ms));
    CHECK_FALSE(limit.take("a", start + 8'100ms));
    RateLimit none({.per_second = 0, .burst = 1});
    none.owe("a", 1'000, start);
    CHECK_FALSE(none.take("a", start));
}

TEST_CASE("rate: who waits is told how long; a bucket holds no more than a burst; 0 is no limit") {
    RateLimit slow({.per_second = 1, .burst = 1});
    CHECK_FALSE(slow.take("a", start));
    CHECK(slow.take("a", start + 100ms) == 1s);
    CHECK_FALSE(slow.take("a", start + 24h));
    CHECK(slow.take("a", start + 24h) == 1s);
    RateLimit none({.per_second = 0});
    for (int n = 0; n < 10'000; ++n) CHECK_FALSE(none.take("a", start));
}

TEST_CASE("rate: not more buckets are kept than are of use") {
    RateLimit limit({.per_second = 1, .burst = 2});
    for (std::size_t n = 0; n < RateLimit::tokens_max + 100; ++n) limit.take(fmt::format("t{}", n), start);
    CHECK(limit.size() <= RateLimit::tokens_max);
    CHECK_FALSE(limit.take("new", start + 10s));
    CHECK(limit.size() == 1);
}
