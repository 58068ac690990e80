#include "runtime/schedule/zone.hpp"

#include <fmt/format.h>

namespace toygres::runtime {
namespace {

using namespace std::chrono;

Timestamp from_absl(absl::Time t) { return Timestamp(milliseconds(absl::ToUnixMillis(t))); }
absl::Time to_absl(Timestamp t) { return absl::FromUnixMillis(t.time_since_epoch().count()); }

// The library would also read files of any name, and what this machine calls local.
bool is_zone_name(const std::string& name) {
    const auto allowed = [](unsigned char c) { return std::isalnum(c) != 0 || std::strchr("/_+-", c) != nullptr; };
    return !name.empty() && name.size() <= 64 && std::isalpha(static_cast<unsigned char>(name.front())) != 0 &&
           std::ranges::all_of(name, allowed) && name != "localtime" && !name.starts_with("right/") &&
           !name.starts_with("Fixed/");
}

}  // namespace

Result<Zone> Zone::find(const std::string& name) {
    Zone out;
    if (is_zone_name(name) && absl::LoadTimeZone(name, &out.zone_)) return out;
    return std::unexpected(Error{
        ErrorKind::invalid, "unknown_zone",
        fmt::format("there is no time zone \"{}\"; take a name of the IANA database, such as Europe/Berlin, or UTC",
                    name)});
}

LocalMinutes Zone::local(Timestamp t) const {
    const auto civil = absl::CivilMinute(zone_.At(to_absl(t)).cs);
    return LocalMinutes(minutes(civil - absl::CivilMinute(1970)));
}

Timestamp Zone::first_moment(LocalMinutes t) const {
    const auto info = zone_.At(absl::CivilSecond(absl::CivilMinute(1970) + t.time_since_epoch().count()));
    return from_absl(info.kind == absl::TimeZone::TimeInfo::SKIPPED ? info.trans : info.pre);
}

std::optional<Timestamp> Zone::next_change(Timestamp t) const {
    absl::TimeZone::CivilTransition change;
    if (!zone_.NextTransition(to_absl(t), &change)) return std::nullopt;
    return from_absl(zone_.At(change.to).trans);
}

// From one change of the clocks to the next they go evenly.
std::optional<Timestamp> Zone::next_by_clock(const Cron& cron, Timestamp t) const {
    auto from = floor<minutes>(t);
    auto shown = local(from);
    for (auto change = next_change(t);; change = next_change(*change)) {
        const auto fits = cron.next(shown);
        if (!fits) return std::nullopt;
        const auto at = from + (*fits - shown);
        if (!change || at < *change) return at;
        from = floor<minutes>(*change) - minutes(1);
        shown = local(*change) - minutes(1);
    }
}

std::optional<Timestamp> Zone::next(const Cron& cron, Timestamp t) const {
    if (cron.every_hour()) return next_by_clock(cron, t);
    for (auto fits = cron.next(local(t)); fits; fits = cron.next(*fits))
        if (const auto at = first_moment(*fits); at > t) return at;
    return std::nullopt;
}

}  // namespace toygres::runtime
