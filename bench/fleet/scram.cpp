#include "fleet/scram.hpp"

#include "base/crypto.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

namespace toygres::bench {
namespace {

constexpr int iterations = 4'096;

const unsigned char* bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

std::string hmac(std::string_view key, std::string_view text) {
    std::string out(SHA256_DIGEST_LENGTH, '\0');
    ::HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes(text), text.size(), bytes(out), nullptr);
    return out;
}

std::string sha256(std::string_view text) {
    std::string out(SHA256_DIGEST_LENGTH, '\0');
    ::SHA256(bytes(text), text.size(), bytes(out));
    return out;
}

std::unexpected<Error> bad() {
    return std::unexpected(Error{ErrorKind::invalid, "bad_scram", "this is no SCRAM message"});
}

// The value of ",r=…".
std::optional<std::string_view> attribute(std::string_view message, char name) {
    for (std::size_t from = 0; from < message.size();) {
        const auto end = std::min(message.find(',', from), message.size());
        const auto part = message.substr(from, end - from);
        if (part.size() >= 2 && part[0] == name && part[1] == '=') return part.substr(2);
        from = end + 1;
    }
    return std::nullopt;
}

}  // namespace

Verifier make_verifier(const std::string& password) {
    const auto salt = random_bytes(16);
    std::string salted(SHA256_DIGEST_LENGTH, '\0');
    ::PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), bytes(salt), static_cast<int>(salt.size()),
                        iterations, EVP_sha256(), SHA256_DIGEST_LENGTH, bytes(salted));
    return {salt, sha256(hmac(salted, "Client Key")), hmac(salted, "Server Key")};
}

Result<std::string> ScramServer::first(std::string_view message) {
    // "p=tls-server-end-point,,n=…,r=…": the bare message begins behind the second comma.
    const auto flag_end = message.find(',');
    const auto header_end = flag_end == std::string_view::npos ? flag_end : message.find(',', flag_end + 1);
    if (header_end == std::string_view::npos) return bad();
    client_first_bare_ = message.substr(header_end + 1);
    const auto nonce = attribute(client_first_bare_, 'r');
    if (!nonce) return bad();
    server_first_ = fmt::format("r={}{},s={},i={}", *nonce, random_hex(24), base64_encode(verifier_.salt), iterations);
    return server_first_;
}

Result<std::string> ScramServer::last(std::string_view message) const {
    const auto proof_at = message.rfind(",p=");
    const auto proof = proof_at == std::string_view::npos ? std::nullopt : base64_decode(message.substr(proof_at + 3));
    if (!proof || proof->size() != SHA256_DIGEST_LENGTH) return bad();
    const auto text = fmt::format("{},{},{}", client_first_bare_, server_first_, message.substr(0, proof_at));
    auto client_key = hmac(verifier_.stored_key, text);
    for (std::size_t i = 0; i < client_key.size(); ++i) client_key[i] = static_cast<char>(client_key[i] ^ (*proof)[i]);
    if (!constant_time_equal(sha256(client_key), verifier_.stored_key))
        return std::unexpected(Error{ErrorKind::forbidden, "wrong_password", "the password is wrong"});
    return "v=" + base64_encode(hmac(verifier_.server_key, text));
}

}  // namespace toygres::bench
