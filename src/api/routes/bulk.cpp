#include "api/accept.hpp"
#include "api/address.hpp"
#include "api/delete_instance.hpp"
#include "api/route.hpp"
#include "api/views.hpp"
#include "base/log.hpp"
#include "cms/audit.hpp"

#include <fmt/format.h>

namespace toygres::api {
namespace {

using http::Response;

constexpr std::size_t items_max = 100;

struct CreateBody {
    std::vector<Json> instances;  // CreateInstanceBody
};
BOOST_DESCRIBE_STRUCT(CreateBody, (), (instances))

struct DeleteBody {
    std::vector<std::string> names;
};
BOOST_DESCRIBE_STRUCT(DeleteBody, (), (names))

void expect_size(const std::string& field, std::size_t size) {
    if (size < 1 || size > items_max)
        throw ErrorException(invalid_fields({{field, fmt::format("must be 1 to {} items", items_max)}}));
}

// Each item has a key of its own, made of the call's, so that a repeat goes on where the first one was cut off.
Attempt attempt_of_item(const Call& call, std::size_t index, const Json& item) {
    auto out = attempt_of(call, request_digest(call, item));
    if (out.idempotency_key) *out.idempotency_key += fmt::format(" {}", index);
    return out;
}

Json item_view(const Call& call, const std::string& name, const Result<Accepted>& outcome) {
    Json out = {{"name", name}, {"status", outcome ? 202 : status_of(public_error(outcome.error()))}};
    if (outcome)
        out.update(value_or_raise(parse_json(outcome->answer)));
    else
        out["problem"] = problem_document(outcome.error(), call.request_id());
    return out;
}

// 207 with {"accepted", "refused", "items"}.
Response told(Json items) {
    int refused = 0;
    for (const auto& item : items) refused += item.contains("problem") ? 1 : 0;
    const auto all = static_cast<int>(items.size());
    return json_response({{"accepted", all - refused}, {"refused", refused}, {"items", std::move(items)}}, 207);
}

Result<InstanceWish> wish_of(const Call& call, const Json& item) {
    try {
        return check(decode<CreateInstanceBody>(item, UnknownKeys::refuse), call.services().postgres_versions);
    } catch (const ErrorException& e) {
        return std::unexpected(e.error());
    }
}

asio::awaitable<Result<Accepted>> create_item(const Call& call, std::size_t index, const Json& item) {
    auto wish = wish_of(call, item);
    if (!wish) co_return std::unexpected(std::move(wish).error());
    co_return co_await create_instance(call, *std::move(wish), attempt_of_item(call, index, item));
}

// One by one: each is accepted or refused by itself.
asio::awaitable<Response> create_many(Call& call) {
    call.expect_query({});
    const auto body = call.body<CreateBody>();
    expect_size("instances", body.instances.size());
    call.counts_as(body.instances.size());
    call.idempotency_key();
    Json items = Json::array();
    for (std::size_t i = 0; i < body.instances.size(); ++i) {
        const auto& item = body.instances[i];
        const auto name = item.is_object() && item.contains("name") && item["name"].is_string()
                              ? item["name"].get<std::string>()
                              : std::string();
        items.push_back(item_view(call, name, co_await create_item(call, i, item)));
    }
    co_return told(std::move(items));
}

// The deletion of one is in the audit by itself, before anything is done.
asio::awaitable<std::int64_t> begin_audit(const Call& call, const std::string& name) {
    const cms::NewAudit entry{.caller = call.caller().name,
                              .owner = call.caller().owner,
                              .peer = address_of(call.request().peer),
                              .action = "instance.delete",
                              .object = name.substr(0, 256),
                              .outcome = "begun",
                              .request_id = call.request_id()};
    co_return co_await call.read([&](pg::Connection& db) { return cms::add_audit(db, entry); });
}

asio::awaitable<void> end_audit(const Call& call, std::int64_t entry, const Result<Accepted>& outcome) {
    const int status = outcome ? 202 : status_of(public_error(outcome.error()));
    const auto code = outcome ? std::nullopt : std::optional(public_error(outcome.error()).code);
    const std::string word = outcome ? "done" : status == 403 ? "denied" : "failed";
    const auto ended = co_await query(call.services().pool, [&](pg::Connection& db) {
        return cms::end_audit(db, entry, word, status, code, std::nullopt);
    });
    // What was done is done.
    if (!ended) log::error("audit.entry_lost", {{"entry", entry}, {"outcome", word}, {"code", ended.error().code}});
}

// Nobody gets into the audit as one who deletes what he may not delete, or what is not there.
asio::awaitable<Result<Accepted>> delete_item(Call& call, std::size_t index, const std::string& name) {
    const auto attempt = attempt_of_item(call, index, name);
    auto before = co_await find_outcome(call, attempt);
    if (!before) co_return std::unexpected(std::move(before).error());
    if (*before) co_return **std::move(before);
    auto own = co_await query(call.services().pool, [&](pg::Connection& db) { return call.own_instance(db, name); });
    if (!own) {
        if (own.error().kind == ErrorKind::forbidden) call.note_refusal(own.error(), name);
        co_return std::unexpected(std::move(own).error());
    }
    const auto entry = co_await begin_audit(call, name);
    auto outcome = co_await delete_instance(call, name, attempt);
    co_await end_audit(call, entry, outcome);
    co_return outcome;
}

asio::awaitable<Response> delete_many(Call& call) {
    call.expect_query({});
    const auto body = call.body<DeleteBody>();
    expect_size("names", body.names.size());
    call.counts_as(body.names.size());
    call.idempotency_key();
    Json items = Json::array();
    for (std::size_t i = 0; i < body.names.size(); ++i)
        items.push_back(item_view(call, body.names[i], co_await delete_item(call, i, body.names[i])));
    co_return told(std::move(items));
}

constexpr Route routes[] = {
    {"POST", "/api/v1/bulk/create-instances", Needs::operator_, create_many},
    {"POST", "/api/v1/bulk/delete-instances", Needs::operator_, delete_many},
};

}  // namespace

std::span<const Route> bulk_routes() { return routes; }

}  // namespace toygres::api
