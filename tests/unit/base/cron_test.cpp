// Cron lines by the calendar alone. Zones: tests/unit/runtime/zone_test.cpp.
#include "base/cron.hpp"

#include "support/catch.hpp"

using namespace toygres;

namespace {

std::string next(std::string_view line, std::string_view after) {
    const auto found = value_or_raise(Cron::parse(line)).next(*parse_rfc3339(after));
    return found ? format_rfc3339(*found).substr(0, 16) : "never";
}

std::string complaint(std::string_view line) {
    const auto parsed = Cron::parse(line);
    if (parsed) return "";
    CHECK(parsed.error().kind == ErrorKind::invalid);
    CHECK(parsed.error().code == "invalid_schedule");
    return parsed.error().message;
}

}  // namespace

TEST_CASE("cron: the next time that fits") {
    CHECK(next("* * * * *", "2026-03-01T12:00:00Z") == "2026-03-01T12:01");
    CHECK(next("* * * * *", "2026-03-01T12:00:59.999Z") == "2026-03-01T12:01");
    CHECK(next("*/15 * * * *", "2026-03-01T12:00:00Z") == "2026-03-01T12:15");
    CHECK(next("*/25 * * * *", "2026-03-01T12:50:00Z") == "2026-03-01T13:00");
    CHECK(next("7/20 * * * *", "2026-03-01T12:27:00Z") == "2026-03-01T12:47");
    CHECK(next("30 2 * * *", "2026-03-01T12:00:00Z") == "2026-03-02T02:30");
    CHECK(next("0 8-18/5 * * mon-fri", "2026-03-06T18:00:01Z") == "2026-03-09T08:00");
    CHECK(next("0,30 4,16 * * *", "2026-03-01T04:30:00Z") == "2026-03-01T16:00");
    CHECK(next("59 23 31 12 *", "2026-12-31T23:59:00Z") == "2027-12-31T23:59");
}

TEST_CASE("cron: the ends of months, and leap years") {
    CHECK(next("0 0 31 * *", "2026-03-31T00:00:00Z") == "2026-05-31T00:00");
    CHECK(next("0 0 29 feb *", "2026-03-01T00:00:00Z") == "2028-02-29T00:00");
    CHECK(next("0 0 29 2 *", "2096-03-01T00:00:00Z") == "2104-02-29T00:00");
    CHECK(next("0 0 30 2 *", "2026-03-01T00:00:00Z") == "never");
    CHECK(next("0 0 31 4,6,9,11 *", "2026-03-01T00:00:00Z") == "never");
}

TEST_CASE("cron: days of the week, and either of two days") {
    CHECK(next("0 0 * * 7", "2026-03-02T00:00:00Z") == "2026-03-08T00:00");
    CHECK(next("0 0 * * 0", "2026-03-02T00:00:00Z") == "2026-03-08T00:00");
    CHECK(next("0 0 * * FRI-SUN", "2026-03-07T00:00:00Z") == "2026-03-08T00:00");
    CHECK(next("0 0 13 * 5", "2026-03-01T00:00:00Z") == "2026-03-06T00:00");
    CHECK(next("0 0 13 * 5", "2026-03-06T00:00:00Z") == "2026-03-13T00:00");
    CHECK(next("0 0 13 * *", "2026-03-01T00:00:00Z") == "2026-03-13T00:00");
    CHECK(next("0 0 30 2 mon", "2026-02-01T00:00:00Z") == "2026-02-02T00:00");
}

TEST_CASE("cron: shorthands") {
    CHECK(next("@hourly", "2026-03-01T12:00:00Z") == "2026-03-01T13:00");
    CHECK(next("@daily", "2026-03-01T12:00:00Z") == "2026-03-02T00:00");
    CHECK(next("@weekly", "2026-03-02T00:00:00Z") == "2026-03-08T00:00");
    CHECK(next("@monthly", "2026-12-01T00:00:00Z") == "2027-01-01T00:00");
    CHECK(next("@yearly", "2026-01-01T00:00:00Z") == "2027-01-01T00:00");
}

TEST_CASE("cron: what is not a line names its field and what that takes") {
    CHECK(complaint("* * * *") ==
          "schedule \"* * * *\": expected exactly 5 fields (minute, hour, day of month, month, day of week), found 4");
    CHECK(complaint("* 24 * * *") ==
          "schedule \"* 24 * * *\": the hour \"24\" is not understood; it takes numbers from 0 to 23, ranges (a-b), "
          "steps (*/n) and lists of these with commas");
    CHECK(complaint("0 0 * foo *") ==
          "schedule \"0 0 * foo *\": the month \"foo\" is not understood; it takes numbers from 1 to 12 or names from "
          "JAN to DEC, ranges (a-b), steps (*/n) and lists of these with commas");
    CHECK(complaint("@reboot") ==
          "schedule \"@reboot\": there is no such shorthand; there are @hourly, @daily, "
          "@weekly, @monthly and @yearly");
    for (const char* bad : {"", "a * * * *", "5-1 * * * *", "*/0 * * * *", "*/-1 * * * *", "1, * * * *", ",1 * * * *",
                            "* * 0 * *", "* * * 13 *", "* * * * 8", "60 * * * *", "- * * * *", "1- * * * *",
                            "99999999999 * * * *", "* * * * * *", "1.5 * * * *"}) {
        INFO(bad);
        CHECK(complaint(bad) != "");
    }
}
