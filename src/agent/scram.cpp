#include "agent/scram.hpp"

#include "base/assert.hpp"
#include "base/crypto.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <charconv>

namespace toygres::agent {
namespace {

constexpr int default_iterations = 4096;
constexpr std::string_view mechanism = "SCRAM-SHA-256$";

using Digest = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

std::string bytes(const Digest& digest) { return {digest.begin(), digest.end()}; }

Digest hmac(const Digest& key, std::string_view text) {
    Digest out{};
    unsigned int size = 0;
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
         text.size(), out.data(), &size);
    return out;
}

std::string make_verifier(const Secret& password, const std::string& salt, int iterations) {
    const auto& text = password.reveal();
    Digest salted{};
    TG_ASSERT(PKCS5_PBKDF2_HMAC(text.data(), static_cast<int>(text.size()),
                                reinterpret_cast<const unsigned char*>(salt.data()), static_cast<int>(salt.size()),
                                iterations, EVP_sha256(), static_cast<int>(salted.size()), salted.data()) == 1);
    const auto client_key = hmac(salted, "Client Key");
    Digest stored{};
    SHA256(client_key.data(), client_key.size(), stored.data());
    return fmt::format("{}{}:{}${}:{}", mechanism, iterations, base64_encode(salt), base64_encode(bytes(stored)),
                       base64_encode(bytes(hmac(salted, "Server Key"))));
}

}  // namespace

std::string scram_verifier(const Secret& password) {
    return make_verifier(password, random_bytes(16), default_iterations);
}

bool scram_matches(std::string_view verifier, const Secret& password) {
    if (!verifier.starts_with(mechanism)) return false;
    const auto rest = verifier.substr(mechanism.size());
    int iterations = 0;
    const auto [end, e] = std::from_chars(rest.data(), rest.data() + rest.size(), iterations);
    if (e != std::errc() || iterations < 1 || end == rest.data() + rest.size() || *end != ':') return false;
    const auto salt_begin = static_cast<std::size_t>(end - rest.data()) + 1;
    const auto salt = base64_decode(rest.substr(salt_begin, rest.find('$', salt_begin) - salt_begin));
    return salt && constant_time_equal(make_verifier(password, *salt, iterations), verifier);
}

}  // namespace toygres::agent
