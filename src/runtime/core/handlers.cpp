#include "runtime/core/handlers.hpp"

#include "runtime/core/event.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <ranges>

namespace toygres::runtime {
namespace {

template <class Map> Error unknown(const std::string& code, const std::string& name, const Map& known) {
    const auto names = known.empty() ? "none now" : fmt::format("{}", fmt::join(known | std::views::keys, ", "));
    return {ErrorKind::not_found, code, fmt::format("it does not answer to {}; it answers to: {}", name, names)};
}

template <class Map, class Handler> void insert(Map& map, const std::string& name, Handler handler) {
    if (!map.emplace(name, std::move(handler)).second)
        raise(ErrorKind::internal, "handler_exists", fmt::format("{} has a handler already", name));
}

}  // namespace

void Handlers::add(const std::string& name, Query query) { insert(queries_, name, std::move(query)); }
void Handlers::add(const std::string& name, Update update) { insert(updates_, name, std::move(update)); }

Result<Json> Handlers::look(const std::function<Json()>& code) {
    looking_ = true;
    Result<Json> out;
    try {
        out = code();
        check_payload(*out);
    } catch (...) {
        out = std::unexpected(current_error());
    }
    looking_ = false;
    return out;
}

Result<Json> Handlers::ask(const std::string& name, const Json& input) {
    const auto query = queries_.find(name);
    if (query == queries_.end()) return std::unexpected(unknown("no_such_query", name, queries_));
    return look([&] { return query->second(input); });
}

Result<void> Handlers::check(const std::string& name, const Json& input) {
    const auto update = updates_.find(name);
    if (update == updates_.end()) return std::unexpected(unknown("no_such_update", name, updates_));
    const auto seen = look([&] {
        update->second.check(input);
        return Json();
    });
    if (!seen) return std::unexpected(seen.error());
    return {};
}

Result<Json> Handlers::apply(const std::string& name, const Json& input) {
    const auto code = updates_.at(name).apply;
    try {
        auto out = code(input);
        check_payload(out);
        return out;
    } catch (...) {
        return std::unexpected(current_error());
    }
}

void Handlers::must_not_look() const {
    if (looking_) raise(ErrorKind::internal, "query_acts", "what answers a query, or checks an update, may do nothing");
}

}  // namespace toygres::runtime
