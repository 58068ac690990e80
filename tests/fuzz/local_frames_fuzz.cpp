// Frames of SPDY, by which kubectl runs commands in the embedded cluster.
#include "fuzz/fuzz.hpp"
#include "localkube/spdy_streams.hpp"

using namespace toygres;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using Kind = localkube::SpdyStreams::Kind;
    auto text = fuzz::text_of(data, size);
    localkube::SpdyStreams streams({Kind::error, Kind::stdin_, Kind::stdout_, Kind::stderr_, Kind::resize});
    for (; !text.empty(); text.remove_prefix(std::min<std::size_t>(text.size(), 64))) {
        streams.feed(text.substr(0, 64));
        streams.open();
        while (streams.next()) {
        }
        streams.take_replies();
    }
    streams.output(1, "x");
    streams.finish("{}");
    if (!streams.violation().empty()) TG_ASSERT(streams.over());
    return 0;
}
