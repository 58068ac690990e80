#include "cms/tokens.hpp"

#include "api/page.hpp"
#include "api/route.hpp"

namespace toygres::api {
namespace {

using namespace std::chrono_literals;

struct TokenBody {
    std::string name;
    std::string role;
    std::optional<std::string> owner;
    std::optional<std::string> expires_in;
};
BOOST_DESCRIBE_STRUCT(TokenBody, (), (name, role, owner, expires_in))

constexpr auto lifetime_min = 1min;
constexpr auto lifetime_max = std::chrono::hours(24 * 3650);

cms::NewToken check(const TokenBody& body) {
    std::vector<FieldError> wrong;
    if (!is_subject(body.name)) wrong.push_back({"name", subject_rule});
    if (!role_from(body.role)) wrong.push_back({"role", "must be viewer, operator or admin"});
    if (body.owner && !is_subject(*body.owner)) wrong.push_back({"owner", subject_rule});
    std::optional<std::chrono::milliseconds> lifetime;
    if (body.expires_in) {
        lifetime = parse_duration(*body.expires_in);
        if (!lifetime || *lifetime < lifetime_min || *lifetime > lifetime_max)
            wrong.push_back({"expires_in", "must be a duration from 1m to 3650d, such as 30d"});
    }
    if (!wrong.empty()) throw ErrorException(invalid_fields(std::move(wrong)));
    return {.name = body.name,
            .role = body.role,
            .owner = body.owner.value_or(body.name),
            .expires_at = lifetime ? std::optional(now() + *lifetime) : std::nullopt};
}

// 201 with the token, which is shown this once. Not repeated when the session breaks: whether it was made is not known
// then, and its text is lost.
asio::awaitable<http::Response> post_token(Call& call) {
    call.expect_query({});
    const auto token = check(call.body<TokenBody>());
    call.set_object(token.name);
    auto lease = value_or_raise(co_await call.services().pool->acquire());
    const auto text = value_or_raise(co_await cms::create_token(*lease, token));
    Json out = {{"name", token.name}, {"role", token.role}, {"owner", token.owner}, {"token", text.reveal()}};
    if (token.expires_at) out["expires_at"] = format_rfc3339(*token.expires_at);
    co_return json_response(out, 201);
}

// Newest first.
asio::awaitable<http::Response> list_tokens(Call& call) {
    call.expect_query({"limit", "page_token"});
    const int limit = page_size(call);
    const auto cursor = time_cursor(call);
    const cms::TokenFilter filter{.before_created_at = cursor ? std::optional(cursor->created_at) : std::nullopt,
                                  .before_id = cursor ? std::optional(cursor->id) : std::nullopt,
                                  .limit = limit + 1};
    const auto found = co_await call.read([&](pg::Connection& db) { return cms::list_tokens(db, filter); });
    co_return json_response(page(
        "tokens", found, limit, [&](const cms::Token& t) { return page_token(call, TimeCursor{t.created_at, t.id}); },
        [](const cms::Token& t) { return encode(t); }));
}

// It ends within seconds, on every server.
asio::awaitable<http::Response> delete_token(Call& call) {
    call.expect_query({});
    co_return json_response(
        encode(co_await call.read([&](pg::Connection& db) { return cms::revoke_token(db, call.param("name")); })));
}

constexpr Route routes[] = {
    {"POST", "/api/v1/tokens", Needs::admin, post_token, "token.create"},
    {"GET", "/api/v1/tokens", Needs::admin, list_tokens},
    {"DELETE", "/api/v1/tokens/{name}", Needs::admin, delete_token, "token.revoke"},
};

}  // namespace

std::span<const Route> token_routes() { return routes; }

}  // namespace toygres::api
