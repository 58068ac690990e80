#include "runtime/schedule/spec.hpp"

#include "runtime/schedule/zone.hpp"

#include <fmt/format.h>

namespace toygres::runtime {

std::string schedule_id(const std::string& name) { return "schedule-" + name; }

std::string run_id(const std::string& name, Timestamp at) {
    auto time = format_rfc3339(at);
    if (time.ends_with(".000Z")) time.replace(time.size() - 5, 4, "");
    return fmt::format("{}-{}", name, time);
}

Result<std::vector<Timestamp>> next_times(const std::string& cron, const std::string& zone, Timestamp t, int count) {
    const auto line = Cron::parse(cron);
    if (!line) return std::unexpected(line.error());
    const auto place = Zone::find(zone);
    if (!place) return std::unexpected(place.error());
    std::vector<Timestamp> out;
    for (auto at = place->next(*line, t); at && std::ssize(out) < count; at = place->next(*line, *at))
        out.push_back(*at);
    return out;
}

Result<void> check_times(const std::string& cron, const std::string& zone) {
    const auto times = next_times(cron, zone, now(), 1);
    if (!times) return std::unexpected(times.error());
    if (times->empty())
        return std::unexpected(Error{
            ErrorKind::invalid, "invalid_schedule",
            fmt::format("schedule \"{}\": it never comes due; the days of the month must be some that its months have",
                        cron)});
    return {};
}

}  // namespace toygres::runtime
