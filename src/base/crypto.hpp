// Random identifiers, digests and encodings, on OpenSSL.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace toygres {

std::string random_bytes(std::size_t count);
std::string random_hex(std::size_t digits);
// A random (version 4) UUID in its text form.
std::string random_uuid();

std::string hex_encode(std::string_view bytes);
std::optional<std::string> hex_decode(std::string_view text);
std::string base64_encode(std::string_view bytes);
std::optional<std::string> base64_decode(std::string_view text);
std::string base64url_encode(std::string_view bytes);
std::optional<std::string> base64url_decode(std::string_view text);

// SHA-256, 64 hex digits.
std::string sha256_hex(std::string_view bytes);
// A quick, stable 64-bit digest (FNV-1a) for matching and sharding; not for security.
std::uint64_t digest64(std::string_view bytes);

// Compares in a time that depends on the length alone.
bool constant_time_equal(std::string_view a, std::string_view b);

}  // namespace toygres
