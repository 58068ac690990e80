#include "base/seal_keys.hpp"

#include "base/crypto.hpp"

#include <algorithm>
#include <vector>

namespace toygres {
namespace {

constexpr std::size_t digits = 64;

Error bad_keys() {
    return {ErrorKind::invalid, "bad_seal_key", "it must hold 64 hexadecimal digits, or several lines of them"};
}

Result<std::vector<std::string>> lines_of(std::string_view text) {
    std::vector<std::string> out;
    while (!text.empty()) {
        auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.empty()) continue;
        if (line.size() != digits || !hex_decode(line)) return std::unexpected(bad_keys());
        out.emplace_back(line);
    }
    if (out.empty()) return std::unexpected(bad_keys());
    return out;
}

std::string joined(const std::vector<std::string>& lines) {
    std::string out;
    for (const auto& line : lines) out += line + "\n";
    return out;
}

}  // namespace

Result<Secret> parse_seal_keys(std::string_view text) {
    const auto lines = lines_of(text);
    if (!lines) return std::unexpected(lines.error());
    std::string keys;
    for (const auto& line : *lines) keys += *hex_decode(line);
    return Secret(std::move(keys));
}

Result<std::string> with_new_key(std::string_view text) {
    auto lines = lines_of(text);
    if (!lines) return std::unexpected(std::move(lines).error());
    return joined({lines->front(), random_hex(digits)});
}

Result<std::string> with_last_key_first(std::string_view text) {
    auto lines = lines_of(text);
    if (!lines) return std::unexpected(std::move(lines).error());
    std::ranges::rotate(*lines, lines->end() - 1);
    return joined(*lines);
}

}  // namespace toygres
