#include "api/precondition.hpp"

#include "api/views.hpp"
#include "base/crypto.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace toygres::api {
namespace {

constexpr std::size_t digits = 32;

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

// Takes the next entity tag off the list, which has no comma within one of ours. nullopt: it is none.
std::optional<std::string_view> take_tag(std::string_view& list) {
    list = trimmed(list);
    const std::size_t opening = list.starts_with("W/") ? 2 : 0;
    if (list.size() < opening + 2 || list[opening] != '"') return std::nullopt;
    const auto closing = list.find('"', opening + 1);
    if (closing == std::string_view::npos) return std::nullopt;
    const auto out = list.substr(0, closing + 1);
    list = trimmed(list.substr(closing + 1));
    if (list.empty()) return out;
    if (list.front() != ',') return std::nullopt;
    list = trimmed(list.substr(1));
    return list.empty() ? std::nullopt : std::optional(out);
}

Error changed(const cms::Instance& instance, std::string_view etag) {
    return {ErrorKind::conflict,
            "precondition_failed",
            fmt::format("the instance {} is not as If-Match says any more; look at it again, its ETag is {} now",
                        instance.name, etag),
            {{"etag", etag}}};
}

}  // namespace

std::string etag_of(const Json& full_view) {
    return fmt::format("\"{}\"",
                       sha256_hex(full_view.dump(-1, ' ', false, Json::error_handler_t::replace)).substr(0, digits));
}

Result<bool> has_tag(std::string_view header_name, std::string_view list, std::string_view etag, bool weak_too) {
    if (trimmed(list) == "*") return true;
    bool found = false;
    do {
        auto tag = take_tag(list);
        if (!tag)
            return std::unexpected(invalid_fields(
                {{std::string(header_name), "must be * or entity tags in double quotes, with commas between"}}));
        if (weak_too && tag->starts_with("W/")) tag->remove_prefix(2);
        found = found || *tag == etag;
    } while (!list.empty());
    return found;
}

bool is_unchanged(const Call& call, std::string_view etag) {
    const auto& headers = call.request().headers;
    if (!headers.has("If-None-Match")) return false;
    return value_or_raise(has_tag("If-None-Match", headers.get("If-None-Match"), etag, true));
}

asio::awaitable<Result<cms::Instance>> instance_to_change(pg::Connection& tx, const Call& call, std::string name) {
    auto instance = co_await call.own_instance(tx, name);
    const auto& headers = call.request().headers;
    if (!instance || !headers.has("If-Match")) co_return instance;
    // Whoever changes it meanwhile waits; what is read from here on is what will be changed.
    if (auto locked = co_await cms::lock_instance(tx, instance->id); !locked)
        co_return std::unexpected(std::move(locked).error());
    auto now = co_await cms::get_instance(tx, instance->id);
    if (!now) co_return now;
    const auto replication = co_await cms::get_replication(tx, now->id);
    if (!replication) co_return std::unexpected(replication.error());
    const auto etag = etag_of(full_view(*now, *replication));
    const auto matches = has_tag("If-Match", headers.get("If-Match"), etag, false);
    if (!matches) co_return std::unexpected(matches.error());
    if (!*matches) co_return std::unexpected(changed(*now, etag));
    co_return now;
}

}  // namespace toygres::api
