// Positions in the write-ahead log, as PostgreSQL writes them: "16/B374D848".
#pragma once
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace toygres::ha {

struct Lsn {
    std::uint64_t value = 0;
    auto operator<=>(const Lsn&) const = default;
};

// nullopt: not a position.
std::optional<Lsn> parse_lsn(std::string_view text);
std::string to_string(Lsn lsn);
// Bytes from `from` to `to`; 0 when `to` is not ahead.
std::int64_t bytes_between(Lsn from, Lsn to);

}  // namespace toygres::ha
