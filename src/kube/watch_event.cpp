#include "kube/watch_event.hpp"

#include "kube/inspect.hpp"

#include <fmt/format.h>

namespace toygres::kube {

Result<WatchEvent> parse_watch_event(std::string_view line, const std::string& collection) {
    const auto failed = [&](const char* code, const std::string& problem) {
        return std::unexpected(Error{ErrorKind::transient, code, fmt::format("watch {}: {}", collection, problem)});
    };
    auto event = Json::parse(line, nullptr, false);
    if (!event.is_object() || !event.contains("object") || !event["object"].is_object())
        return failed("kube_unavailable", "an event that is not JSON, or of no object");
    WatchEvent out{text_at(event, "/type"), std::move(event["object"])};
    if (out.type == "ERROR") {
        const bool expired = out.object.contains("code") && out.object["code"] == 410;
        return failed(expired ? "kube_expired" : "kube_unavailable", text_at(out.object, "/message"));
    }
    if (!out.object.contains("metadata") || !out.object["metadata"].is_object())
        return failed("kube_unavailable", "an event of an object without metadata");
    return out;
}

}  // namespace toygres::kube
