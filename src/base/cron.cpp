#include "base/cron.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <sstream>
#include <vector>

namespace toygres {
namespace {

using namespace std::chrono;

// The rarest that comes at all is a February 29th of one weekday: once in 28 years, or 40 over a turn of the century.
constexpr days horizon{50 * 366};

struct Field {
    std::string_view name;
    int low, high;
    std::array<std::string_view, 13> names;  // the first stands for `low`
    std::string_view names_told;
};

constexpr Field fields[] = {
    {"minute", 0, 59, {}, ""},
    {"hour", 0, 23, {}, ""},
    {"day of month", 1, 31, {}, ""},
    {"month",
     1,
     12,
     {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"},
     " or names from JAN to DEC"},
    {"day of week", 0, 7, {"sun", "mon", "tue", "wed", "thu", "fri", "sat"}, " or names from SUN to SAT"},
};

std::optional<int> digits(std::string_view text) {
    int out = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return out;
}

std::optional<int> value(std::string_view text, const Field& field) {
    std::string lower(text);
    for (auto& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    for (std::size_t i = 0; i < field.names.size(); ++i)
        if (!field.names[i].empty() && field.names[i] == lower) return field.low + static_cast<int>(i);
    const auto out = digits(text);
    return out && *out >= field.low && *out <= field.high ? out : std::nullopt;
}

// "*", "*/5", "1-5/2", "7", "mon-fri", joined by commas.
std::optional<std::bitset<64>> parse_field(std::string_view text, const Field& field) {
    std::bitset<64> out;
    while (true) {
        const auto comma = text.find(',');
        auto part = text.substr(0, comma);
        int step = 1;
        const auto slash = part.find('/');
        if (slash != std::string_view::npos) {
            const auto given = digits(part.substr(slash + 1));
            if (!given || *given <= 0) return std::nullopt;
            step = std::min(*given, 64);
            part = part.substr(0, slash);
        }
        int from = field.low, to = field.high;
        if (part != "*" && part != "?") {
            const auto dash = part.find('-');
            const auto first = value(part.substr(0, dash), field);
            auto last = dash == std::string_view::npos ? first : value(part.substr(dash + 1), field);
            const bool to_sunday = dash != std::string_view::npos && field.high == 7 && last == 0 && first > 0;
            if (to_sunday) last = 7;
            if (!first || !last || *first > *last) return std::nullopt;
            from = *first;
            to = dash == std::string_view::npos && slash != std::string_view::npos ? field.high : *last;
        }
        for (int i = from; i <= to; i += step) out.set(static_cast<std::size_t>(i));
        if (comma == std::string_view::npos) return out;
        text.remove_prefix(comma + 1);
    }
}

std::string_view without_shorthand(std::string_view text) {
    constexpr std::pair<std::string_view, std::string_view> shorthands[] = {
        {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"}, {"@weekly", "0 0 * * 0"},
        {"@daily", "0 0 * * *"},  {"@midnight", "0 0 * * *"}, {"@hourly", "0 * * * *"}};
    for (const auto& [name, meaning] : shorthands)
        if (text == name) return meaning;
    return text;
}

bool is_star(std::string_view text) { return text.starts_with('*') || text == "?"; }

}  // namespace

Result<Cron> Cron::parse(std::string_view text) {
    const auto bad = [&](const std::string& problem) {
        return std::unexpected(
            Error{ErrorKind::invalid, "invalid_schedule", fmt::format("schedule \"{}\": {}", text, problem)});
    };
    std::istringstream words{std::string(without_shorthand(text))};
    std::vector<std::string> parts;
    for (std::string word; words >> word;) parts.push_back(word);
    if (text.starts_with('@') && parts.size() == 1)
        return bad("there is no such shorthand; there are @hourly, @daily, @weekly, @monthly and @yearly");
    if (parts.size() != std::size(fields))
        return bad(fmt::format("expected exactly 5 fields (minute, hour, day of month, month, day of week), found {}",
                               parts.size()));
    Cron out;
    std::bitset<64>* const sets[] = {&out.minutes_, &out.hours_, &out.days_, &out.months_, &out.weekdays_};
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const auto& field = fields[i];
        const auto set = parse_field(parts[i], field);
        if (!set)
            return bad(
                fmt::format("the {} \"{}\" is not understood; it takes numbers from {} to {}{}, ranges (a-b), "
                            "steps (*/n) and lists of these with commas",
                            field.name, parts[i], field.low, field.high, field.names_told));
        *sets[i] = *set;
    }
    if (out.weekdays_.test(7)) out.weekdays_.set(0);
    out.every_hour_ = is_star(parts[1]);
    out.any_day_ = is_star(parts[2]);
    out.any_weekday_ = is_star(parts[4]);
    return out;
}

bool Cron::fits(local_days day) const {
    const year_month_day date{day};
    const bool day_fits = days_.test(static_cast<unsigned>(date.day()));
    const bool weekday_fits = weekdays_.test(weekday{day}.c_encoding());
    // Cron's old rule: when both are given, either is enough.
    const bool either = any_day_ || any_weekday_ ? day_fits && weekday_fits : day_fits || weekday_fits;
    return months_.test(static_cast<unsigned>(date.month())) && either;
}

std::optional<LocalMinutes> Cron::next(LocalMinutes t) const {
    const auto from = t + minutes(1);
    const auto today = floor<days>(from);
    for (auto day = today; day < today + horizon; day += days(1)) {
        if (!fits(day)) continue;
        const int start = day == today ? static_cast<int>((from - day).count()) : 0;
        for (int minute = start; minute < 24 * 60; ++minute) {
            if (!hours_.test(static_cast<std::size_t>(minute / 60)))
                minute += 59 - minute % 60;  // on to the next hour
            else if (minutes_.test(static_cast<std::size_t>(minute % 60)))
                return day + minutes(minute);
        }
    }
    return std::nullopt;
}

std::optional<Timestamp> Cron::next(Timestamp t) const {
    const auto found = next(LocalMinutes(floor<minutes>(t).time_since_epoch()));
    return found ? std::optional(Timestamp(found->time_since_epoch())) : std::nullopt;
}

}  // namespace toygres
