// The five fields of a cron line ("*/5 8-18 * * mon-fri"), or @hourly, @daily, @weekly, @monthly, @yearly; in UTC.
#pragma once
#include "base/error.hpp"
#include "base/time.hpp"

#include <bitset>
#include <string_view>

namespace toygres::localkube {

class CronSchedule {
  public:
    // Error: invalid/"invalid_schedule", which names the field.
    static Result<CronSchedule> parse(std::string_view text);
    // The first minute after `t` that fits; nullopt when there is none within five years ("30 2 30 2 *").
    std::optional<Timestamp> next(Timestamp t) const;

  private:
    std::bitset<64> minutes_, hours_, days_, months_, weekdays_;
    bool any_day_ = false;      // "*": then the weekday alone decides
    bool any_weekday_ = false;  // "*": then the day alone decides
};

}  // namespace toygres::localkube
