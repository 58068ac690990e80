// Base64 in both alphabets, hexadecimal digits, a file of sealing keys.
#include "base/crypto.hpp"
#include "base/seal_keys.hpp"
#include "fuzz/fuzz.hpp"

using namespace toygres;

namespace {

std::string without_spaces(std::string_view text) {
    std::string out(text);
    std::erase_if(out, [](char c) { return c == '\n' || c == '\r' || c == ' '; });
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text_of(data, size);
    TG_ASSERT(base64_decode(base64_encode(text)) == text);
    TG_ASSERT(base64url_decode(base64url_encode(text)) == text);
    TG_ASSERT(hex_decode(hex_encode(text)) == text);
    // But for bits that count for nothing, there is one way to write a thing.
    if (const auto bytes = base64_decode(text)) {
        const auto again = base64_encode(*bytes);
        TG_ASSERT(again.size() == without_spaces(text).size() && base64_decode(again) == bytes);
    }
    if (const auto keys = parse_seal_keys(text); !keys)
        fuzz::expect_refusal(keys.error());
    else
        TG_ASSERT(value_or_raise(parse_seal_keys(value_or_raise(with_last_key_first(text)))).reveal().size() ==
                  keys->reveal().size());
    return 0;
}
