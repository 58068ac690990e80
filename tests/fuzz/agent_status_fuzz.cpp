// What an agent tells of its member.
#include "fuzz/fuzz.hpp"
#include "ha/read_agent_status.hpp"

using namespace toygres;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto status = ha::read_agent_status(fuzz::text_of(data, size));
    if (!status) {
        fuzz::expect_refusal(status.error());
        if (status.error().code == "invalid_field") TG_ASSERT(status.error().details.contains("field"));
        return 0;
    }
    const auto text = encode(*status).dump();
    TG_ASSERT(encode(value_or_raise(ha::read_agent_status(text))).dump() == text);
    return 0;
}
