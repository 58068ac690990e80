// A stream of server-sent events, as the command line reads it.
#include "cli/event_reader.hpp"
#include "fuzz/fuzz.hpp"

#include <vector>

using namespace toygres;

namespace {

struct Heard {
    std::vector<std::string> events;
    std::string last_id;
    bool operator==(const Heard&) const = default;
};

Heard hear(std::string_view text, std::size_t piece) {
    Heard out;
    cli::EventReader reader([&](const cli::ServerEvent& event) {
        TG_ASSERT(!event.data.empty());
        out.events.push_back(event.id + '\n' + event.type + '\n' + event.data);
    });
    for (; !text.empty(); text.remove_prefix(std::min(text.size(), piece))) reader.feed(text.substr(0, piece));
    out.last_id = reader.last_id();
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text_of(data, size);
    // However it is cut into pieces.
    const auto whole = hear(text, size + 1);
    TG_ASSERT(hear(text, 1) == whole);
    TG_ASSERT(hear(text, 7) == whole);
    return 0;
}
