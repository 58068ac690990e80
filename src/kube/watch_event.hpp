// One line of a watch, read.
#pragma once
#include "base/json.hpp"

#include <string>
#include <string_view>

namespace toygres::kube {

struct WatchEvent {
    std::string type;  // "ADDED", "MODIFIED", "DELETED", "BOOKMARK"
    Json object;       // with its metadata
};

// `collection`: what is watched, for messages. Errors: transient/"kube_expired" when the server says that what it was
// asked to go on from is too old; transient/"kube_unavailable" for any other trouble it tells of, and for what is no
// event.
Result<WatchEvent> parse_watch_event(std::string_view line, const std::string& collection);

}  // namespace toygres::kube
