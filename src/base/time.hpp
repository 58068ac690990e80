// Points in time of the product: UTC, milliseconds; RFC 3339 text on every wire.
#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace toygres {

using Timestamp = std::chrono::sys_time<std::chrono::milliseconds>;

Timestamp now();

// "2026-03-01T12:00:00.123Z"; always UTC, always three decimals.
std::string format_rfc3339(Timestamp t);
// Accepts any number of decimals, 'Z' or ±hh:mm, and a space in place of the 'T' (PostgreSQL's text form).
std::optional<Timestamp> parse_rfc3339(std::string_view text);

// "1.2s", "850ms", "3m05s", "2h03m": for people.
std::string format_duration(std::chrono::milliseconds d);
// "30s", "500ms", "5m", "2h", "1d"; empty for anything else.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

}  // namespace toygres
