#include "base/secret.hpp"

#include "base/assert.hpp"
#include "base/crypto.hpp"
#include "base/file.hpp"
#include "base/seal_keys.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <memory>

namespace toygres {
namespace {

constexpr std::size_t key_bytes = 32;
constexpr std::size_t nonce_bytes = 12;
constexpr std::size_t tag_bytes = 16;
constexpr std::string_view seal_prefix = "v1.";

using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

const unsigned char* bytes(std::string_view s) { return reinterpret_cast<const unsigned char*>(s.data()); }
unsigned char* bytes(std::string& s) { return reinterpret_cast<unsigned char*>(s.data()); }

Error bad_seal() { return {ErrorKind::invalid, "bad_seal", "the sealed value was not made by this key for this use"}; }

}  // namespace

Secret::~Secret() { OPENSSL_cleanse(value_.data(), value_.size()); }

Result<Sealer> Sealer::from_key(Secret key) {
    if (key.empty() || key.reveal().size() % key_bytes != 0)
        return std::unexpected(Error{ErrorKind::invalid, "bad_seal_key", "a sealing key must be 32 bytes"});
    return Sealer(std::move(key));
}

Result<Sealer> Sealer::from_file(const std::string& path) {
    const auto bad = [&](std::string_view why) {
        return std::unexpected(Error{ErrorKind::invalid, "bad_seal_key", fmt::format("sealing key {}: {}", path, why)});
    };
    auto text = read_file(path);
    if (!text && text.error().kind == ErrorKind::not_found) {
        text = random_hex(2 * key_bytes) + "\n";
        if (auto written = write_file_atomically(path, *text, 0600); !written) return bad(written.error().message);
    }
    if (!text) return bad(text.error().message);
    auto keys = parse_seal_keys(*text);
    if (!keys) return bad(keys.error().message);
    return Sealer(*std::move(keys));
}

namespace {

std::optional<std::string> open_by(std::string_view key, std::string_view raw, std::string_view context) {
    const auto cipher = raw.substr(nonce_bytes, raw.size() - nonce_bytes - tag_bytes);
    std::string tag(raw.substr(raw.size() - tag_bytes));
    std::string clear(cipher.size(), '\0');
    CipherContext ctx(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
    int length = 0;
    TG_ASSERT(ctx && EVP_DecryptInit_ex(ctx.get(), EVP_aes_256_gcm(), nullptr, bytes(key), bytes(raw)) == 1);
    TG_ASSERT(EVP_DecryptUpdate(ctx.get(), nullptr, &length, bytes(context), static_cast<int>(context.size())) == 1);
    TG_ASSERT(EVP_DecryptUpdate(ctx.get(), bytes(clear), &length, bytes(cipher), static_cast<int>(cipher.size())) == 1);
    TG_ASSERT(EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_GCM_SET_TAG, tag_bytes, tag.data()) == 1);
    if (EVP_DecryptFinal_ex(ctx.get(), bytes(clear) + length, &length) != 1) return std::nullopt;
    return clear;
}

}  // namespace

std::string Sealer::seal(const Secret& secret, std::string_view context) const {
    const auto nonce = random_bytes(nonce_bytes);
    const auto& clear = secret.reveal();
    std::string cipher(clear.size(), '\0');
    std::string tag(tag_bytes, '\0');
    CipherContext ctx(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
    int length = 0;
    TG_ASSERT(ctx &&
              EVP_EncryptInit_ex(ctx.get(), EVP_aes_256_gcm(), nullptr, bytes(key_.reveal()), bytes(nonce)) == 1);
    TG_ASSERT(EVP_EncryptUpdate(ctx.get(), nullptr, &length, bytes(context), static_cast<int>(context.size())) == 1);
    TG_ASSERT(EVP_EncryptUpdate(ctx.get(), bytes(cipher), &length, bytes(clear), static_cast<int>(clear.size())) == 1);
    TG_ASSERT(EVP_EncryptFinal_ex(ctx.get(), bytes(cipher) + length, &length) == 1);
    TG_ASSERT(EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_GCM_GET_TAG, tag_bytes, tag.data()) == 1);
    return std::string(seal_prefix) + base64url_encode(nonce + cipher + tag);
}

Result<Secret> Sealer::open(std::string_view sealed, std::string_view context) const {
    if (!sealed.starts_with(seal_prefix)) return std::unexpected(bad_seal());
    const auto raw = base64url_decode(sealed.substr(seal_prefix.size()));
    if (!raw || raw->size() < nonce_bytes + tag_bytes) return std::unexpected(bad_seal());
    const std::string_view keys(key_.reveal());
    for (std::size_t at = 0; at < keys.size(); at += key_bytes)
        if (auto clear = open_by(keys.substr(at, key_bytes), *raw, context)) return Secret(*std::move(clear));
    return std::unexpected(bad_seal());
}

Secret random_password(std::size_t length) {
    constexpr std::string_view alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    constexpr unsigned limit = 256 - 256 % alphabet.size();  // drop what would favour the first letters
    std::string out;
    while (out.size() < length)
        for (const char c : random_bytes(length))
            if (const auto u = static_cast<unsigned char>(c); u < limit && out.size() < length)
                out += alphabet[u % alphabet.size()];
    return Secret(std::move(out));
}

}  // namespace toygres
