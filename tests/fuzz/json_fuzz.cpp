// A JSON document; a topology, which is one.
#include "fuzz/fuzz.hpp"
#include "ha/topology.hpp"

using namespace toygres;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text_of(data, size);
    const auto json = parse_json(text);
    if (!json) {
        fuzz::expect_refusal(json.error());
        TG_ASSERT(json.error().message.contains("line "));
        return 0;
    }
    TG_ASSERT(value_or_raise(parse_json(json->dump())) == *json);
    const auto topology = ha::parse_topology(text);
    if (!topology) {
        fuzz::expect_refusal(topology.error());
        return 0;
    }
    const auto written = ha::format_topology(*topology);
    TG_ASSERT(ha::format_topology(value_or_raise(ha::parse_topology(written))) == written);
    return 0;
}
