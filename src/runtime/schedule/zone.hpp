// A time zone of the IANA database, as this machine has it, and when a cron line comes due in it.
#pragma once
#include "base/cron.hpp"

#include <absl/time/time.h>

namespace toygres::runtime {

class Zone {
  public:
    // "Europe/Berlin", "UTC". Error: invalid/"unknown_zone".
    static Result<Zone> find(const std::string& name);

    // The first time after `t`; nullopt when there is none within fifty years.
    //
    // When clocks are changed, a line whose hour begins with "*" goes by what the clock shows: nothing in the hour that
    // is left out, and twice what is shown twice. Any other names times of the day, and each comes once: a time that is
    // left out at the first moment after the gap, one that is shown twice the first time. (Vixie cron's rule, with the
    // gap as systemd has it.)
    std::optional<Timestamp> next(const Cron& cron, Timestamp t) const;

  private:
    LocalMinutes local(Timestamp t) const;
    Timestamp first_moment(LocalMinutes t) const;
    std::optional<Timestamp> next_change(Timestamp t) const;
    std::optional<Timestamp> next_by_clock(const Cron& cron, Timestamp t) const;

    absl::TimeZone zone_;
};

}  // namespace toygres::runtime
