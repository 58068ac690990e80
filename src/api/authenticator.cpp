#include "api/authenticator.hpp"

#include "api/database.hpp"
#include "base/crypto.hpp"

#include <algorithm>
#include <cctype>

namespace toygres::api {
namespace {

// A revoked token works on for so long at most.
constexpr std::chrono::seconds remembered_for{3};
constexpr std::size_t remembered_max = 4096;
constexpr std::size_t token_length_max = 512;

Error unauthenticated(std::string message) { return {ErrorKind::forbidden, "unauthenticated", std::move(message)}; }

Caller to_caller(const cms::Token& token, Secret text) {
    return {token.name, token.scope == "write" ? Scope::write : Scope::read, std::move(text)};
}

// The token of "Bearer <token>", or an empty view.
std::string_view bearer_token(std::string_view header) {
    constexpr std::string_view scheme = "bearer ";
    if (header.size() <= scheme.size()) return {};
    const bool bearer = std::ranges::equal(header.substr(0, scheme.size()), scheme,
                                           [](unsigned char a, char b) { return std::tolower(a) == b; });
    if (!bearer) return {};
    header.remove_prefix(scheme.size());
    const auto usable = std::ranges::all_of(header, [](unsigned char c) { return c > ' ' && c < 127; });
    return usable && header.size() <= token_length_max ? header : std::string_view();
}

}  // namespace

asio::awaitable<Result<Caller>> Authenticator::authenticate(std::string authorization) {
    if (authorization.empty())
        co_return std::unexpected(
            unauthenticated("this needs a token: send it as \"Authorization: Bearer <token>\"; an operator makes one "
                            "with \"toygres token create\""));
    Secret text{std::string(bearer_token(authorization))};
    if (text.empty())
        co_return std::unexpected(
            unauthenticated("the Authorization header must read \"Bearer <token>\", with a token of toygres"));
    auto digest = sha256_hex(text.reveal());
    const auto time = std::chrono::steady_clock::now();
    if (const auto it = known_.find(digest); it != known_.end()) {
        const auto& [token, until] = it->second;
        if (time < until && (!token.expires_at || *token.expires_at > now())) co_return to_caller(token, text);
        known_.erase(it);
    }
    auto found = co_await query(pool_, [&](pg::Connection& db) { return cms::find_token(db, text); });
    if (!found) co_return std::unexpected(std::move(found).error());
    if (!*found) co_return std::unexpected(unauthenticated("the token is not known here, has expired or was revoked"));
    if (known_.size() >= remembered_max) known_.clear();
    known_.insert_or_assign(std::move(digest), Known{**found, std::chrono::steady_clock::now() + remembered_for});
    co_return to_caller(**found, std::move(text));
}

}  // namespace toygres::api
