#include "cli/event_reader.hpp"
#include "cli/verbs/verbs.hpp"

#include <fmt/format.h>

#include <ostream>

namespace toygres::cli {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto patience_with_server = 60s;

std::string line_of(const Json& event) {
    auto out = fmt::format("{}  {:<20}  {:<22}  {}", time_text(text_at(event, "at")), text_at(event, "what"),
                           text_at(event, "change"), text_at(event, "message"));
    if (const auto actor = text_at(event, "actor"); !actor.empty()) out += fmt::format("  [{}]", actor);
    return out + "\n";
}

// One JSON object a line while following: a list has no end.
std::string rendered(const Json& event, Format format) {
    if (format == Format::json) return event.dump() + "\n";
    if (format == Format::yaml) return "---\n" + render(event, format);
    return line_of(event);
}

int follow_events(Session& session, const EventsOptions& options) {
    bool ended = false;
    EventReader reader([&](const ServerEvent& event) {
        if (event.type == "end") {
            ended = true;
            return;
        }
        const auto json = parse_json(event.data);
        if (json && json->is_object()) session.console.out << rendered(*json, session.format) << std::flush;
    });
    auto last_heard = Clock::now();
    bool told = false;
    while (!ended) {
        http::Headers headers{{"Accept", "text/event-stream"}};
        if (!reader.last_id().empty()) headers.set("Last-Event-ID", reader.last_id());
        const auto done = session.api.stream(instance_path(options.name, "/events?follow=true"), headers,
                                             [&](std::string_view piece) {
                                                 last_heard = Clock::now();
                                                 told = false;
                                                 reader.feed(piece);
                                                 return !ended;
                                             });
        if (ended) break;
        const bool first = reader.last_id().empty();
        if (!done && (first || !is_passing(done.error()) || Clock::now() - last_heard > patience_with_server))
            throw ErrorException(done.error());
        if (!std::exchange(told, true)) session.console.err << "the server does not answer; trying on" << std::endl;
        session.api.pause(500ms);
    }
    return exit_ok;
}

}  // namespace

int logs(Session& session, const LogsOptions& options) {
    auto target = instance_path(options.name, "/logs");
    add_query(target, "tail", std::to_string(options.tail));
    add_query(target, "member", std::to_string(options.member));
    if (options.follow) add_query(target, "follow", "true");
    if (options.previous) add_query(target, "previous", "true");
    if (options.timestamps) add_query(target, "timestamps", "true");
    value_or_raise(session.api.stream(target, {}, [&](std::string_view piece) {
        session.console.out << piece << std::flush;
        return static_cast<bool>(session.console.out);
    }));
    return exit_ok;
}

int events(Session& session, const EventsOptions& options) {
    if (options.follow) return follow_events(session, options);
    auto target = instance_path(options.name, "/events");
    add_query(target, "limit", std::to_string(options.limit));
    const auto found = session.api.get(target);
    if (session.print_raw(found)) return exit_ok;
    for (const auto& event : found.at("events")) session.console.out << line_of(event);
    return exit_ok;
}

}  // namespace toygres::cli
