// What every fuzz target begins with. A target is one parser of bytes from outside: it gives it any bytes there are,
// takes a refusal for an answer, and checks what must hold of what was accepted. What must not be ends the process.
#pragma once
#include "base/assert.hpp"
#include "base/error.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

// Called by libFuzzer; in the suite fuzz_short, under a name of each target's own, by driver.cpp.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace toygres::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

// Takes the first line off the front.
inline std::string_view take_line(std::string_view& text) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    return line;
}

// Refused as something that whoever sent it can mend: with a code, and words that tell what is wrong.
inline void expect_refusal(const Error& error) {
    TG_ASSERT(error.kind == ErrorKind::invalid);
    TG_ASSERT(!error.code.empty());
    TG_ASSERT(!error.message.empty());
}

}  // namespace toygres::fuzz
