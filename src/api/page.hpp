// Pages of lists. Cursors are opaque to callers; to us they are a place in the order of one list.
#pragma once
#include "api/call.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace toygres::api {

// Newest first: what comes after (created_at, id).
struct TimeCursor {
    Timestamp created_at;
    std::string id;
};

inline constexpr int page_size_default = 100;
inline constexpr int page_size_max = 500;
// ?limit=
int page_size(const Call& call);

// The next_page_token after a place: it belongs to this list with its filters and its order, and to no other.
std::string page_token(const Call& call, const std::string& place);
std::string page_token(const Call& call, const TimeCursor& cursor);
std::string page_token(const Call& call, std::int64_t key);
// ?page_token=; errors: invalid/"invalid_request".
std::optional<std::string> cursor(const Call& call);
std::optional<TimeCursor> time_cursor(const Call& call);
std::optional<std::int64_t> key_cursor(const Call& call);
// Says that the page_token is none of ours.
[[noreturn]] void refuse_page_token();
// An id that PostgreSQL can read as a text.
bool is_id(std::string_view text);

// ?fields=name,state: what each item of a list is cut down to; nullopt: whole ones. Error: invalid/"invalid_request"
// for one that is not in `known`.
using Fields = std::optional<std::vector<std::string>>;
Fields chosen_fields(const Call& call, const std::vector<std::string>& known);
Json cut_down(Json item, const Fields& fields);
// The names of a described type's members.
template <class T> std::vector<std::string> member_names() {
    std::vector<std::string> out;
    boost::mp11::mp_for_each<json_detail::Members<T>>([&](auto d) { out.push_back(d.name); });
    return out;
}

// {name: items, "next_page_token": …}: `items` was asked for with one more than `limit`, which tells whether there is
// more. `token_of(item)` is the cursor after an item, `view(item)` its JSON.
template <class T, class TokenOf, class View>
Json page(const char* name, const std::vector<T>& items, int limit, TokenOf token_of, View view) {
    Json out = {{name, Json::array()}};
    for (std::size_t i = 0; i < items.size() && i < static_cast<std::size_t>(limit); ++i)
        out[name].push_back(view(items[i]));
    if (items.size() > static_cast<std::size_t>(limit))
        out["next_page_token"] = token_of(items[static_cast<std::size_t>(limit) - 1]);
    return out;
}

}  // namespace toygres::api
