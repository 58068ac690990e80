#include "api/authenticator.hpp"

#include "api/database.hpp"
#include "base/crypto.hpp"
#include "base/log.hpp"
#include "metrics/metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace toygres::api {
namespace {

// A revoked token works on for so long at most.
constexpr std::chrono::seconds trusted_for{3};
// So long a token is looked up even while its network is locked out.
constexpr std::chrono::hours remembered_for{1};
constexpr std::size_t remembered_max = 4096;
constexpr std::size_t token_length_max = 512;
constexpr std::chrono::minutes use_noted_every{1};

Error unauthenticated(std::string message) { return {ErrorKind::forbidden, "unauthenticated", std::move(message)}; }

Caller to_caller(const cms::Token& token, Secret text) {
    // A role of a later release is not one to guess at.
    return {token.name, token.owner, role_from(token.role).value_or(Role::viewer), std::move(text)};
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

asio::awaitable<Result<Caller>> Authenticator::authenticate(std::string authorization, std::string network) {
    if (authorization.empty())
        co_return std::unexpected(unauthenticated(
            "this needs a token: send it as \"Authorization: Bearer <token>\"; an administrator makes one "
            "with \"toygres token create\""));
    Secret text{std::string(bearer_token(authorization))};
    auto digest = text.empty() ? std::string() : sha256_hex(text.reveal());
    const auto time = std::chrono::steady_clock::now();
    const auto it = known_.find(digest);
    const bool known = it != known_.end() && time - it->second.looked_up_at < remembered_for;
    if (known) {
        const auto& [token, looked_up_at] = it->second;
        const bool valid = !token.expires_at || *token.expires_at > now();
        if (valid && time - looked_up_at < trusted_for) co_return to_caller(token, text);
    }
    if (const auto wait = lock_out_.wait_of(network, time); wait && !known)
        co_return std::unexpected(
            Error{ErrorKind::forbidden,
                  "locked_out",
                  fmt::format("too many wrong tokens came from {}; try again in {}s", network, wait->count()),
                  {{"retry_after_s", wait->count()}}});
    if (text.empty())
        co_return std::unexpected(
            wrong(network, "the Authorization header must read \"Bearer <token>\", with a token of toygres"));
    co_return co_await look_up(std::move(text), std::move(digest), std::move(network));
}

asio::awaitable<Result<Caller>> Authenticator::look_up(Secret text, std::string digest, std::string network) {
    auto found = co_await query(pool_, [&](pg::Connection& db) { return cms::find_token(db, text); });
    if (!found) co_return std::unexpected(std::move(found).error());
    if (!*found) {
        known_.erase(digest);
        co_return std::unexpected(wrong(network, "the token is not known here, has expired or was revoked"));
    }
    co_await note_use(**found);
    if (known_.size() >= remembered_max) known_.clear();
    known_.insert_or_assign(std::move(digest), Known{**found, std::chrono::steady_clock::now()});
    co_return to_caller(**found, std::move(text));
}

Error Authenticator::wrong(const std::string& network, std::string message) {
    if (lock_out_.failed(network, std::chrono::steady_clock::now())) {
        log::warning("network.locked_out", {{"network", network}});
        metrics::counter("toygres_http_lock_outs_total", "Networks that were locked out for wrong tokens", {})
            .Increment();
    }
    return unauthenticated(std::move(message));
}

// Once a minute; a call does not fail by it.
asio::awaitable<void> Authenticator::note_use(cms::Token token) {
    if (token.last_used_at && now() - *token.last_used_at < use_noted_every) co_return;
    const auto noted = co_await query(pool_, [&](pg::Connection& db) { return cms::touch_token(db, token.id); });
    if (!noted) log::warning("token.use_not_noted", {{"token", token.name}, {"code", noted.error().code}});
}

}  // namespace toygres::api
