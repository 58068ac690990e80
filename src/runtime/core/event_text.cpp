// Histories are read at every takeover, so this is where speed counts: what is well formed goes through simdjson
// straight into events; what is not is read again, slowly, by what finds words for what is wrong with it.
#include "runtime/core/event.hpp"

#include <fmt/format.h>

#include <simdjson.h>

namespace toygres::runtime {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

Json to_json(const element& value) {
    switch (value.type()) {
        case element_type::OBJECT: {
            Json out = Json::object();
            auto& members = out.get_ref<Json::object_t&>();
            for (const auto [key, item] : simdjson::dom::object(value))
                members.emplace_hint(members.end(), key, to_json(item));
            return out;
        }
        case element_type::ARRAY: {
            Json out = Json::array();
            auto& items = out.get_ref<Json::array_t&>();
            const simdjson::dom::array array(value);
            items.reserve(array.size());
            for (const auto item : array) items.push_back(to_json(item));
            return out;
        }
        case element_type::STRING:
            return Json(std::string_view(value));
        // As the other parser tells them apart.
        case element_type::INT64:
            if (const std::int64_t number(value); number < 0) return Json(number);
            return Json(static_cast<std::uint64_t>(std::int64_t(value)));
        case element_type::UINT64:
            return Json(std::uint64_t(value));
        case element_type::DOUBLE:
            return Json(double(value));
        case element_type::BOOL:
            return Json(bool(value));
        case element_type::NULL_VALUE:
            break;
    }
    return {};
}

bool take_member(Event& event, std::string_view key, const element& value) {
    std::string_view text;
    std::int64_t number = 0;
    if (key == "kind") return true;
    if (key == "of") return value.get(event.of) == simdjson::SUCCESS;
    if (key == "name" || key == "target") {
        if (value.get(text) != simdjson::SUCCESS) return false;
        (key == "name" ? event.name : event.target) = text;
    } else if (key == "data") {
        event.payload = to_json(value);
    } else if (key == "options") {
        event.options = to_json(value);
    } else if (key == "at") {
        if (value.get(number) != simdjson::SUCCESS) return false;
        event.at = Timestamp(std::chrono::milliseconds(number));
    }
    return true;
}

// None: something is wrong with it.
std::optional<Event> to_event(const element& value) {
    simdjson::dom::object members;
    std::string_view name;
    if (value.get(members) != simdjson::SUCCESS || members["kind"].get(name) != simdjson::SUCCESS) return std::nullopt;
    const auto kind = enum_from<EventKind>(name);
    if (!kind) return std::nullopt;
    Event out{.kind = *kind};
    for (const auto [key, item] : members)
        if (!take_member(out, key, item)) return std::nullopt;
    return out;
}

std::optional<std::vector<Event>> read_fast(std::string_view text) {
    static thread_local simdjson::dom::parser parser;
    simdjson::dom::array items;
    if (parser.parse(text.data(), text.size()).get(items) != simdjson::SUCCESS) return std::nullopt;
    std::vector<Event> out;
    out.reserve(items.size());
    for (const auto item : items) {
        auto event = to_event(item);
        if (!event) return std::nullopt;
        out.push_back(*std::move(event));
    }
    return out;
}

std::unexpected<Error> bad_event(std::int64_t position, const std::string& what) {
    return std::unexpected(Error{ErrorKind::invalid, "bad_history", fmt::format("event {}: {}", position, what)});
}

}  // namespace

Result<std::vector<Event>> events_from_text(std::string_view text, std::int64_t first) {
    if (auto events = read_fast(text)) return *std::move(events);
    const auto json = parse_json(text);
    if (!json || !json->is_array()) return bad_event(first, "a turn is not a JSON array of events");
    std::vector<Event> out;
    for (const auto& item : *json) {
        auto event = event_from_json(item);
        if (!event) return bad_event(first + std::ssize(out), event.error().message);
        out.push_back(*std::move(event));
    }
    return out;
}

}  // namespace toygres::runtime
