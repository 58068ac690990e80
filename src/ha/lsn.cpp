#include "ha/lsn.hpp"

#include <fmt/format.h>

#include <charconv>

namespace toygres::ha {

std::optional<Lsn> parse_lsn(std::string_view text) {
    const auto slash = text.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    const auto half = [](std::string_view digits) -> std::optional<std::uint64_t> {
        std::uint64_t out = 0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out, 16);
        if (error != std::errc() || end != digits.data() + digits.size() || digits.size() > 8) return std::nullopt;
        return out;
    };
    const auto high = half(text.substr(0, slash));
    const auto low = half(text.substr(slash + 1));
    if (!high || !low) return std::nullopt;
    return Lsn{(*high << 32) | *low};
}

std::string to_string(Lsn lsn) { return fmt::format("{:X}/{:X}", lsn.value >> 32, lsn.value & 0xffffffffU); }

std::int64_t bytes_between(Lsn from, Lsn to) {
    return to > from ? static_cast<std::int64_t>(to.value - from.value) : 0;
}

}  // namespace toygres::ha
