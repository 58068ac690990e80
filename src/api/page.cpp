#include "api/page.hpp"

#include "base/crypto.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <ranges>

namespace toygres::api {
namespace {

// What a list depends on: its path, its filters and its order, but not how much of it is shown at a time.
std::string list_digest(const Call& call) {
    auto query = call.query_pairs();
    std::erase_if(query, [](const auto& pair) {
        return pair.first == "limit" || pair.first == "page_token" || pair.first == "fields";
    });
    std::ranges::sort(query);
    Json all = call.segments();
    for (const auto& [key, value] : query) all.push_back({key, value});
    return fmt::format("{:016x}", digest64(all.dump(-1, ' ', false, Json::error_handler_t::replace)));
}

}  // namespace

void refuse_page_token() {
    throw ErrorException(invalid_fields({{"page_token", "is not a next_page_token of this list"}}));
}

bool is_id(std::string_view text) {
    return !text.empty() && text.size() <= 64 &&
           std::ranges::all_of(text, [](unsigned char c) { return std::isalnum(c) || c == '-'; });
}

int page_size(const Call& call) {
    return static_cast<int>(call.query_number("limit", 1, page_size_max).value_or(page_size_default));
}

std::string page_token(const Call& call, const std::string& place) {
    return base64url_encode(list_digest(call) + " " + place);
}

std::string page_token(const Call& call, const TimeCursor& cursor) {
    return page_token(call, fmt::format("{} {}", format_rfc3339(cursor.created_at), cursor.id));
}

std::string page_token(const Call& call, std::int64_t key) { return page_token(call, std::to_string(key)); }

std::optional<std::string> cursor(const Call& call) {
    const auto token = call.query_text("page_token");
    if (!token) return std::nullopt;
    const auto text = base64url_decode(*token);
    const auto space = text ? text->find(' ') : std::string::npos;
    if (space == std::string::npos) refuse_page_token();
    if (text->substr(0, space) != list_digest(call))
        throw ErrorException(invalid_fields(
            {{"page_token", "belongs to a list with other filters or another order; begin again without it"}}));
    return text->substr(space + 1);
}

std::optional<TimeCursor> time_cursor(const Call& call) {
    const auto text = cursor(call);
    if (!text) return std::nullopt;
    const auto space = text->find(' ');
    const auto time = parse_rfc3339(text->substr(0, space));
    if (space == std::string::npos || !time || !is_id(text->substr(space + 1))) refuse_page_token();
    return TimeCursor{*time, text->substr(space + 1)};
}

std::optional<std::int64_t> key_cursor(const Call& call) {
    const auto text = cursor(call);
    if (!text) return std::nullopt;
    std::int64_t key = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), key);
    if (error != std::errc() || end != text->data() + text->size() || key < 1) refuse_page_token();
    return key;
}

Fields chosen_fields(const Call& call, const std::vector<std::string>& known) {
    const auto text = call.query_text("fields");
    if (!text) return std::nullopt;
    std::vector<std::string> out;
    for (const auto part : std::views::split(*text, ',')) out.emplace_back(part.begin(), part.end());
    const bool good = !out.empty() && std::ranges::all_of(out, [&](const auto& field) {
        return std::ranges::find(known, field) != known.end();
    });
    if (!good)
        throw ErrorException(invalid_fields(
            {{"fields", fmt::format("must be some of {}, with commas between", fmt::join(known, ", "))}}));
    return out;
}

Json cut_down(Json item, const Fields& fields) {
    if (!fields) return item;
    Json out = Json::object();
    for (const auto& field : *fields)
        if (const auto it = item.find(field); it != item.end()) out[field] = std::move(*it);
    return out;
}

}  // namespace toygres::api
