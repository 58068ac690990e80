// Cron lines in time zones, on the days on which clocks are changed above all.
#include "runtime/schedule/zone.hpp"

#include "runtime/schedule/spec.hpp"
#include "support/catch.hpp"

using namespace toygres;
using namespace toygres::runtime;
using Times = std::vector<std::string>;

namespace {

// "03-29T01:00Z" each, in UTC.
Times next(const std::string& cron, const std::string& zone, std::string_view after, int count) {
    Times out;
    for (const auto at : value_or_raise(next_times(cron, zone, *parse_rfc3339(after), count)))
        out.push_back(format_rfc3339(at).substr(5, 11) + "Z");
    return out;
}

std::string complaint(const Result<void>& checked) { return checked ? "" : checked.error().message; }

}  // namespace

// Europe/Berlin 2026: 02:00 becomes 03:00 on March 29 (01:00 UTC), 03:00 becomes 02:00 on October 25 (01:00 UTC).
TEST_CASE("zones: local time, before and after the change") {
    CHECK(next("0 3 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", 3) ==
          Times{"03-28T02:00Z", "03-29T01:00Z", "03-30T01:00Z"});
    CHECK(next("0 3 * * *", "UTC", "2026-03-27T12:00:00Z", 2) == Times{"03-28T03:00Z", "03-29T03:00Z"});
    CHECK(next("0 3 * * *", "Asia/Kathmandu", "2026-03-27T12:00:00Z", 1) == Times{"03-27T21:15Z"});
}

TEST_CASE("zones: a time that is left out comes once, at the first moment after the gap") {
    CHECK(next("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3) ==
          Times{"03-28T01:30Z", "03-29T01:00Z", "03-30T00:30Z"});
    CHECK(next("*/10 2 * * *", "Europe/Berlin", "2026-03-29T00:59:00Z", 2) == Times{"03-29T01:00Z", "03-30T00:00Z"});
    CHECK(next("0 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 2) == Times{"03-29T01:00Z", "03-30T00:00Z"});
    // America/New_York 2026: 02:00 becomes 03:00 on March 8 (07:00 UTC).
    CHECK(next("30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", 2) == Times{"03-08T07:00Z", "03-09T06:30Z"});
}

TEST_CASE("zones: a time that is shown twice comes once, the first time") {
    CHECK(next("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2) == Times{"10-25T00:30Z", "10-26T01:30Z"});
    CHECK(next("*/20 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 4) ==
          Times{"10-25T00:00Z", "10-25T00:20Z", "10-25T00:40Z", "10-26T01:00Z"});
    CHECK(next("30 2 * * *", "Europe/Berlin", "2026-10-25T00:45:00Z", 1) == Times{"10-26T01:30Z"});
    CHECK(next("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", 1) == Times{"10-26T01:30Z"});
    // America/New_York 2026: 02:00 becomes 01:00 on November 1 (06:00 UTC).
    CHECK(next("30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", 2) == Times{"11-01T05:30Z", "11-02T06:30Z"});
}

TEST_CASE("zones: what is about every hour goes by the clock, twice where it shows a time twice") {
    CHECK(next("30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 3) ==
          Times{"03-29T00:30Z", "03-29T01:30Z", "03-29T02:30Z"});
    CHECK(next("0 */2 * * *", "Europe/Berlin", "2026-03-28T22:30:00Z", 2) == Times{"03-28T23:00Z", "03-29T02:00Z"});
    CHECK(next("30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", 3) ==
          Times{"10-25T00:30Z", "10-25T01:30Z", "10-25T02:30Z"});
    CHECK(next("*/30 * * * *", "America/New_York", "2026-11-01T05:00:00Z", 4) ==
          Times{"11-01T05:30Z", "11-01T06:00Z", "11-01T06:30Z", "11-01T07:00Z"});
    CHECK(next("0 */2 * * *", "America/New_York", "2026-11-01T03:30:00Z", 3) ==
          Times{"11-01T04:00Z", "11-01T07:00Z", "11-01T09:00Z"});
    // Half an hour of summer: 02:00 becomes 01:30 on April 5 (15:00 UTC of the 4th).
    CHECK(next("*/15 * * * *", "Australia/Lord_Howe", "2026-04-04T14:30:00Z", 4) ==
          Times{"04-04T14:45Z", "04-04T15:00Z", "04-04T15:15Z", "04-04T15:30Z"});
}

TEST_CASE("zones: every minute of a year, by the clock") {
    const auto line = value_or_raise(Cron::parse("* * * * *"));
    for (const char* name : {"Europe/Berlin", "America/New_York", "Australia/Lord_Howe"}) {
        const auto zone = value_or_raise(Zone::find(name));
        auto at = *parse_rfc3339("2026-01-01T00:00:00Z");
        std::int64_t minutes = 0;
        for (; at < *parse_rfc3339("2027-01-01T00:00:00Z"); ++minutes) at = *zone.next(line, at);
        CHECK(minutes == 365 * 24 * 60);
    }
}

TEST_CASE("zones: long after the rules that are written out") {
    CHECK(next("0 3 1 7 *", "Europe/Berlin", "2099-01-01T00:00:00Z", 1) == Times{"07-01T01:00Z"});
    CHECK(next("0 0 29 2 *", "Europe/Berlin", "2026-01-01T00:00:00Z", 2) == Times{"02-28T23:00Z", "02-28T23:00Z"});
}

TEST_CASE("zones: one that is none is told, and no file is read for it") {
    for (const std::string name : {"Europe/Berln", "", "/etc/passwd", "../../../etc/localtime", "localtime", "a b",
                                   "Fixed/UTC+01:00:00", "right/UTC"}) {
        INFO(name);
        const auto checked = check_times("@daily", name);
        REQUIRE(!checked);
        CHECK(checked.error().code == "unknown_zone");
        CHECK(complaint(checked) == "there is no time zone \"" + name +
                                        "\"; take a name of the IANA database, such as Europe/Berlin, or UTC");
    }
    CHECK(check_times("@daily", "America/Argentina/Buenos_Aires"));
    CHECK(check_times("@daily", "Etc/GMT+5"));
}

TEST_CASE("schedules: a line that never comes due is refused") {
    CHECK(complaint(check_times("0 0 30 2 *", "UTC")) ==
          "schedule \"0 0 30 2 *\": it never comes due; the days of the month must be some that its months have");
    CHECK(check_times("0 0 29 2 *", "UTC"));
}

TEST_CASE("schedules: runs are named by what they are for") {
    CHECK(schedule_id("nightly") == "schedule-nightly");
    CHECK(run_id("nightly", *parse_rfc3339("2026-11-22T03:00:00Z")) == "nightly-2026-11-22T03:00:00Z");
    CHECK(run_id("nightly", *parse_rfc3339("2026-11-22T03:00:00.25Z")) == "nightly-2026-11-22T03:00:00.250Z");
}
