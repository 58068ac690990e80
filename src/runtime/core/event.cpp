#include "runtime/core/event.hpp"

#include <fmt/format.h>

namespace toygres::runtime {

Json to_json_value(const Event& event) {
    Json out = {{"kind", enum_name(event.kind)}};
    if (event.of != 0) out["of"] = event.of;
    if (!event.name.empty()) out["name"] = event.name;
    if (!event.target.empty()) out["target"] = event.target;
    if (!event.payload.is_null()) out["data"] = event.payload;
    if (!event.options.is_null()) out["options"] = event.options;
    if (event.at != Timestamp{}) out["at"] = event.at.time_since_epoch().count();
    return out;
}

namespace {

std::unexpected<Error> bad_history(std::string message) {
    return std::unexpected(Error{ErrorKind::invalid, "bad_history", std::move(message)});
}

}  // namespace

Result<Event> event_from_json(const Json& value) {
    if (!value.is_object()) return bad_history("an event is not an object");
    const auto kind_it = value.find("kind");
    if (kind_it == value.end() || !kind_it->is_string()) return bad_history("an event has no kind");
    const auto kind = enum_from<EventKind>(kind_it->get_ref<const std::string&>());
    if (!kind) return bad_history(fmt::format("unknown event kind {}", kind_it->get_ref<const std::string&>()));
    Event out{.kind = *kind};
    for (const auto& [key, item] : value.items()) {
        if (key == "of") {
            if (!item.is_number_integer()) return bad_history("\"of\" is not a position");
            out.of = item.get<std::int64_t>();
        } else if (key == "name" || key == "target") {
            if (!item.is_string()) return bad_history(fmt::format("\"{}\" is not a string", key));
            (key == "name" ? out.name : out.target) = item.get<std::string>();
        } else if (key == "data") {
            out.payload = item;
        } else if (key == "options") {
            out.options = item;
        } else if (key == "at") {
            if (!item.is_number_integer()) return bad_history("\"at\" is not a time");
            out.at = Timestamp(std::chrono::milliseconds(item.get<std::int64_t>()));
        }
    }
    return out;
}

std::string events_to_text(const std::vector<Event>& events, std::size_t first) {
    Json out = Json::array();
    for (std::size_t i = first; i < events.size(); ++i) out.push_back(to_json_value(events[i]));
    return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::vector<Origin> origins_of(const Event& started) {
    if (!started.options.is_object() || !started.options.contains("origins")) return {};
    return decode<std::vector<Origin>>(started.options.at("origins"));
}

void add_origin(Event& started, std::int64_t execution, std::int64_t until) {
    auto origins = origins_of(started);
    // What lies just before the cut may itself have been taken over.
    const auto last = std::ranges::find_if(origins, [&](const Origin& origin) { return origin.until >= until; });
    if (last != origins.end()) execution = last->execution;
    origins.erase(last, origins.end());
    origins.push_back({execution, until});
    if (!started.options.is_object()) started.options = Json::object();
    started.options["origins"] = encode(origins);
}

std::size_t payload_bytes(const Json& payload) {
    if (payload.is_string()) return payload.get_ref<const std::string&>().size() + 2;
    std::size_t out = 2;
    if (payload.is_array())
        for (const auto& item : payload) out += payload_bytes(item);
    else if (payload.is_object())
        for (const auto& [key, item] : payload.items()) out += key.size() + payload_bytes(item);
    return out;
}

Error payload_too_large() {
    return {ErrorKind::invalid, "payload_too_large",
            fmt::format("a payload may hold {} bytes at most", payload_bytes_max)};
}

void check_payload(const Json& payload) {
    if (payload_bytes(payload) > payload_bytes_max) throw ErrorException(payload_too_large());
}

std::string describe(const Event& event) {
    auto out = enum_name(event.kind);
    if (!event.name.empty()) out += " " + event.name;
    if (!event.target.empty()) out += " " + event.target;
    if (event.of != 0) out += fmt::format(" of {}", event.of);
    return out;
}

std::string difference(const Event& recorded, const Event& emitted) {
    if (recorded.kind != emitted.kind || recorded.name != emitted.name || recorded.target != emitted.target ||
        recorded.of != emitted.of)
        return fmt::format("recorded is {}, the code does {}", describe(recorded), describe(emitted));
    if (recorded.payload != emitted.payload)
        return fmt::format("{}: recorded with {}, the code gives {}", describe(recorded), recorded.payload.dump(),
                           emitted.payload.dump());
    return {};
}

}  // namespace toygres::runtime
