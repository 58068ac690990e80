#include "cli/event_reader.hpp"

#include <utility>

namespace toygres::cli {

void EventReader::feed(std::string_view piece) {
    pending_ += piece;
    std::size_t start = 0;
    for (auto end = pending_.find('\n'); end != std::string::npos; end = pending_.find('\n', start)) {
        take_line(std::string_view(pending_).substr(start, end - start));
        start = end + 1;
    }
    pending_.erase(0, start);
}

void EventReader::take_line(std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) {
        const auto event = std::exchange(event_, {});
        if (!event.id.empty()) last_id_ = event.id;
        if (!event.data.empty()) on_event_(event);
        return;
    }
    const auto colon = line.find(':');
    if (colon == 0) return;  // a comment
    const auto field = line.substr(0, colon);
    auto value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (field == "id") event_.id = value;
    if (field == "event") event_.type = value;
    if (field == "data") event_.data += (event_.data.empty() ? "" : "\n") + std::string(value);
}

}  // namespace toygres::cli
