// Cursors of lists: opaque to callers, a place in the order to us.
#pragma once
#include "api/call.hpp"

#include <optional>
#include <string>

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

std::string page_token(const TimeCursor& cursor);
std::string page_token(std::int64_t key);
// ?page_token=; errors: invalid/"invalid_request".
std::optional<TimeCursor> time_cursor(const Call& call);
std::optional<std::int64_t> key_cursor(const Call& call);

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
