#include "base/time.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <ctime>

namespace toygres {

using namespace std::chrono;

Timestamp now() { return time_point_cast<milliseconds>(system_clock::now()); }

std::string format_rfc3339(Timestamp t) {
    const auto day = floor<days>(t);
    const year_month_day ymd{day};
    const hh_mm_ss time{t - day};
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(ymd.year()),
                       static_cast<unsigned>(ymd.month()), static_cast<unsigned>(ymd.day()), time.hours().count(),
                       time.minutes().count(), time.seconds().count(), time.subseconds().count());
}

namespace {

// Reads exactly `width` digits off the front of `text`.
std::optional<int> take_digits(std::string_view& text, std::size_t width) {
    if (text.size() < width) return std::nullopt;
    int value = 0;
    for (std::size_t i = 0; i < width; ++i) {
        if (text[i] < '0' || text[i] > '9') return std::nullopt;
        value = value * 10 + (text[i] - '0');
    }
    text.remove_prefix(width);
    return value;
}

bool take(std::string_view& text, std::string_view any_of) {
    if (text.empty() || !any_of.contains(text.front())) return false;
    text.remove_prefix(1);
    return true;
}

}  // namespace

std::optional<Timestamp> parse_rfc3339(std::string_view text) {
    const auto y = take_digits(text, 4);
    if (!y || !take(text, "-")) return std::nullopt;
    const auto mo = take_digits(text, 2);
    if (!mo || !take(text, "-")) return std::nullopt;
    const auto d = take_digits(text, 2);
    if (!d || !take(text, "Tt ")) return std::nullopt;
    const auto h = take_digits(text, 2);
    if (!h || !take(text, ":")) return std::nullopt;
    const auto mi = take_digits(text, 2);
    if (!mi || !take(text, ":")) return std::nullopt;
    const auto s = take_digits(text, 2);
    if (!s) return std::nullopt;
    milliseconds fraction{0};
    if (take(text, ".")) {
        int digits = 0;
        int value = 0;
        for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1), ++digits)
            if (digits < 3) value = value * 10 + (text.front() - '0');
        if (digits == 0) return std::nullopt;
        for (; digits < 3; ++digits) value *= 10;
        fraction = milliseconds(value);
    }
    minutes offset{0};
    if (!text.empty() && (text.front() == '+' || text.front() == '-')) {
        const int sign = text.front() == '-' ? -1 : 1;
        text.remove_prefix(1);
        const auto oh = take_digits(text, 2);
        take(text, ":");
        const auto om = text.empty() ? std::optional<int>(0) : take_digits(text, 2);
        if (!oh || !om) return std::nullopt;
        offset = minutes(sign * (*oh * 60 + *om));
    } else {
        take(text, "Zz");
    }
    const year_month_day ymd{year(*y), month(static_cast<unsigned>(*mo)), day(static_cast<unsigned>(*d))};
    if (!text.empty() || !ymd.ok() || *h > 23 || *mi > 59 || *s > 60) return std::nullopt;
    const Timestamp out = sys_days(ymd) + hours(*h) + minutes(*mi) + seconds(*s) + fraction - offset;
    // What no four digits tell, PostgreSQL would not read either.
    if (out < sys_days(year(1) / 1 / 1) || out >= sys_days(year(10000) / 1 / 1)) return std::nullopt;
    return out;
}

std::string format_duration(milliseconds d) {
    if (d < 0ms) return "-" + format_duration(-d);
    if (d < 1s) return fmt::format("{}ms", d.count());
    if (d < 1min) return fmt::format("{:.1f}s", static_cast<double>(d.count()) / 1000.0);
    if (d < 1h) return fmt::format("{}m{:02}s", d / 1min, (d % 1min) / 1s);
    if (d < 24h) return fmt::format("{}h{:02}m", d / 1h, (d % 1h) / 1min);
    return fmt::format("{}d{:02}h", d / 24h, (d % 24h) / 1h);
}

std::optional<milliseconds> parse_duration(std::string_view text) {
    long long value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || value < 0 || value > 1'000'000'000) return std::nullopt;
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    if (unit == "ms") return milliseconds(value);
    if (unit == "s") return seconds(value);
    if (unit == "m") return minutes(value);
    if (unit == "h") return hours(value);
    if (unit == "d") return hours(24 * value);
    return std::nullopt;
}

}  // namespace toygres
