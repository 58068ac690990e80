#include "localkube/service_account_tokens.hpp"

#include "base/assert.hpp"
#include "base/crypto.hpp"
#include "base/json.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace toygres::localkube {

std::string ServiceAccountTokens::sign(std::string_view text) const {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    const auto& key = key_.reveal();
    TG_ASSERT(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                   reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &length));
    return base64url_encode({reinterpret_cast<const char*>(digest), length});
}

std::string ServiceAccountTokens::mint(const std::string& ns, const std::string& account) const {
    const Json header = {{"alg", "HS256"}, {"typ", "JWT"}};
    const Json claims = {{"iss", "toygres"},
                         {"sub", fmt::format("system:serviceaccount:{}:{}", ns, account)},
                         {"kubernetes.io", {{"namespace", ns}, {"serviceaccount", {{"name", account}}}}}};
    const auto text = base64url_encode(header.dump()) + "." + base64url_encode(claims.dump());
    return text + "." + sign(text);
}

std::optional<ServiceAccountTokens::Account> ServiceAccountTokens::verify(std::string_view token) const {
    const auto last = token.rfind('.');
    const auto first = token.find('.');
    if (last == std::string_view::npos || first == last) return std::nullopt;
    if (!constant_time_equal(sign(token.substr(0, last)), token.substr(last + 1))) return std::nullopt;
    const auto text = base64url_decode(token.substr(first + 1, last - first - 1));
    const auto claims = text ? parse_json(*text) : std::unexpected(Error{});
    if (!claims) return std::nullopt;
    const auto& own = claims->at("kubernetes.io");
    return Account{own.at("namespace").get<std::string>(), own.at("serviceaccount").at("name").get<std::string>()};
}

}  // namespace toygres::localkube
