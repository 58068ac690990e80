#include "localkube/cron_schedule.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <sstream>
#include <vector>

namespace toygres::localkube {
namespace {

struct Field {
    std::string_view name;
    int low, high;
    std::array<std::string_view, 13> names;  // the first stands for `low`
};

constexpr Field fields[] = {
    {"minute", 0, 59, {}},
    {"hour", 0, 23, {}},
    {"day of month", 1, 31, {}},
    {"month", 1, 12, {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
    {"day of week", 0, 7, {"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
};

std::optional<int> number(std::string_view text, const Field& field) {
    std::string lower(text);
    for (auto& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    for (std::size_t i = 0; i < field.names.size(); ++i)
        if (!field.names[i].empty() && field.names[i] == lower) return field.low + static_cast<int>(i);
    int out = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error != std::errc() || end != text.data() + text.size() || out < field.low || out > field.high)
        return std::nullopt;
    return out;
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
            const auto given = part.substr(slash + 1);
            const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), step);
            if (error != std::errc() || end != given.data() + given.size() || step <= 0) return std::nullopt;
            part = part.substr(0, slash);
        }
        int from = field.low, to = field.high;
        if (part != "*" && part != "?") {
            const auto dash = part.find('-');
            const auto first = number(part.substr(0, dash), field);
            const auto last = dash == std::string_view::npos ? first : number(part.substr(dash + 1), field);
            if (!first || !last || *first > *last) return std::nullopt;
            from = *first;
            to = dash == std::string_view::npos && slash != std::string_view::npos ? field.high : *last;
        }
        for (int i = from; i <= to; i += step) out.set(static_cast<std::size_t>(i));
        if (comma == std::string_view::npos) return out;
        text.remove_prefix(comma + 1);
    }
}

}  // namespace

Result<CronSchedule> CronSchedule::parse(std::string_view text) {
    constexpr std::pair<std::string_view, std::string_view> shorthands[] = {
        {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"}, {"@weekly", "0 0 * * 0"},
        {"@daily", "0 0 * * *"},  {"@midnight", "0 0 * * *"}, {"@hourly", "0 * * * *"}};
    for (const auto& [name, meaning] : shorthands)
        if (text == name) text = meaning;
    std::istringstream words{std::string(text)};
    std::vector<std::string> parts;
    for (std::string word; words >> word;) parts.push_back(word);
    const auto bad = [&](std::string_view problem) {
        return std::unexpected(
            Error{ErrorKind::invalid, "invalid_schedule", fmt::format("schedule \"{}\": {}", text, problem)});
    };
    if (parts.size() != std::size(fields)) return bad(fmt::format("expected exactly 5 fields, found {}", parts.size()));
    CronSchedule out;
    std::bitset<64>* const sets[] = {&out.minutes_, &out.hours_, &out.days_, &out.months_, &out.weekdays_};
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const auto set = parse_field(parts[i], fields[i]);
        if (!set) return bad(fmt::format("the {} \"{}\" is not understood", fields[i].name, parts[i]));
        *sets[i] = *set;
    }
    if (out.weekdays_.test(7)) out.weekdays_.set(0);
    out.any_day_ = parts[2].starts_with('*') || parts[2] == "?";
    out.any_weekday_ = parts[4].starts_with('*') || parts[4] == "?";
    return out;
}

std::optional<Timestamp> CronSchedule::next(Timestamp t) const {
    using namespace std::chrono;
    auto minute = floor<minutes>(t) + minutes(1);
    const auto last = minute + days(5 * 366);
    while (minute < last) {
        const auto day = floor<days>(minute);
        const year_month_day date{day};
        const bool day_fits = days_.test(static_cast<unsigned>(date.day()));
        const bool weekday_fits = weekdays_.test(weekday{day}.c_encoding());
        // Cron's old rule: when both are given, either is enough.
        const bool fits = any_day_ || any_weekday_ ? day_fits && weekday_fits : day_fits || weekday_fits;
        if (!months_.test(static_cast<unsigned>(date.month())) || !fits) {
            minute = day + days(1);
            continue;
        }
        const hh_mm_ss time{minute - day};
        if (!hours_.test(static_cast<std::size_t>(time.hours().count()))) {
            minute = floor<hours>(minute) + hours(1);
            continue;
        }
        if (minutes_.test(static_cast<std::size_t>(time.minutes().count()))) return minute;
        minute += minutes(1);
    }
    return std::nullopt;
}

}  // namespace toygres::localkube
