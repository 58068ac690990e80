// The five fields of a cron line ("*/5 8-18 * * mon-fri"), or @hourly, @daily, @weekly, @monthly, @yearly: when it
// fits, by a calendar and a clock on the wall. What that is in UTC is a matter of zones (runtime/schedule/zone.hpp).
#pragma once
#include "base/error.hpp"
#include "base/time.hpp"

#include <bitset>
#include <string>
#include <string_view>

namespace toygres {

using LocalMinutes = std::chrono::local_time<std::chrono::minutes>;

class Cron {
  public:
    // Error: invalid/"invalid_schedule", which names the field and what it takes.
    static Result<Cron> parse(std::string_view text);

    // The first minute after `t` that fits; nullopt when there is none within fifty years ("30 2 30 2 *").
    std::optional<LocalMinutes> next(LocalMinutes t) const;
    // The same where the clock on the wall shows UTC.
    std::optional<Timestamp> next(Timestamp t) const;
    // The hour begins with "*": it is about how often, not about a time of the day.
    bool every_hour() const { return every_hour_; }

  private:
    bool fits(std::chrono::local_days day) const;

    std::bitset<64> minutes_, hours_, days_, months_, weekdays_;
    bool every_hour_ = false;
    bool any_day_ = false;      // "*": then the weekday alone decides
    bool any_weekday_ = false;  // "*": then the day alone decides
};

}  // namespace toygres
