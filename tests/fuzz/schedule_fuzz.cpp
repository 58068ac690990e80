// A cron line and, on the next line, a time zone.
#include "base/cron.hpp"
#include "fuzz/fuzz.hpp"
#include "runtime/schedule/spec.hpp"
#include "runtime/schedule/zone.hpp"

using namespace toygres;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto rest = fuzz::text_of(data, size);
    const std::string line(fuzz::take_line(rest));
    const std::string name(rest);
    const auto cron = Cron::parse(line);
    const auto zone = runtime::Zone::find(name);
    if (!zone) fuzz::expect_refusal(zone.error());
    if (!cron) {
        fuzz::expect_refusal(cron.error());
        TG_ASSERT(cron.error().message.contains(line));
        return 0;
    }
    constexpr Timestamp from(std::chrono::hours(24 * 365 * 56));
    auto at = cron->next(from);
    if (at) TG_ASSERT(*at > from && cron->next(*at - std::chrono::minutes(1)) == at);
    if (!zone) return 0;
    at = zone->next(*cron, from);
    if (at) TG_ASSERT(*at > from && zone->next(*cron, *at - std::chrono::milliseconds(1)) == at);
    if (const auto times = runtime::check_times(line, name); !times) fuzz::expect_refusal(times.error());
    return 0;
}
