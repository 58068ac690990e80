#include "api/page.hpp"

#include "base/crypto.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace toygres::api {
namespace {

[[noreturn]] void refuse() {
    throw ErrorException(invalid_fields({{"page_token", "is not a next_page_token of this list"}}));
}

// Both kinds of lists are ordered by ids of a few characters, which PostgreSQL must be able to read.
bool is_id(std::string_view text) {
    return !text.empty() && text.size() <= 64 &&
           std::ranges::all_of(text, [](unsigned char c) { return std::isalnum(c) || c == '-'; });
}

}  // namespace

int page_size(const Call& call) {
    return static_cast<int>(call.query_number("limit", 1, page_size_max).value_or(page_size_default));
}

std::string page_token(const TimeCursor& cursor) {
    return base64url_encode(fmt::format("{} {}", format_rfc3339(cursor.created_at), cursor.id));
}

std::string page_token(std::int64_t key) { return base64url_encode(std::to_string(key)); }

std::optional<TimeCursor> time_cursor(const Call& call) {
    const auto token = call.query_text("page_token");
    if (!token) return std::nullopt;
    const auto text = base64url_decode(*token);
    if (!text) refuse();
    const auto space = text->find(' ');
    const auto time = parse_rfc3339(text->substr(0, space));
    if (space == std::string::npos || !time || !is_id(text->substr(space + 1))) refuse();
    return TimeCursor{*time, text->substr(space + 1)};
}

std::optional<std::int64_t> key_cursor(const Call& call) {
    const auto token = call.query_text("page_token");
    if (!token) return std::nullopt;
    const auto text = base64url_decode(*token);
    if (!text) refuse();
    std::int64_t key = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), key);
    if (error != std::errc() || end != text->data() + text->size() || key < 1) refuse();
    return key;
}

}  // namespace toygres::api
