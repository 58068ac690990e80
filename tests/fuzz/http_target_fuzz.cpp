// The target of a request.
#include "fuzz/fuzz.hpp"
#include "http/message.hpp"

using namespace toygres;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text_of(data, size);
    const auto encoded = "/" + http::percent_encode(text);
    TG_ASSERT(value_or_raise(http::Target::parse(encoded)).path == "/" + std::string(text));
    const auto target = http::Target::parse(text);
    if (!target) {
        fuzz::expect_refusal(target.error());
        return 0;
    }
    for (const auto& [key, value] : target->query) TG_ASSERT(target->get(key).has_value());
    for (const auto& segment : target->segments()) TG_ASSERT(!segment.empty());
    return 0;
}
