#include "api/accept.hpp"

#include "api/views.hpp"
#include "base/crypto.hpp"
#include "cms/idempotency.hpp"
#include "cms/instances.hpp"

#include <fmt/format.h>

namespace toygres::api {
namespace {

asio::awaitable<Result<Accepted>> read_outcome(pg::Connection& db, std::string operation,
                                               std::optional<std::string> answer = {}) {
    auto found = co_await cms::get_operation(db, std::move(operation));
    if (!found) co_return std::unexpected(std::move(found).error());
    auto instance = co_await cms::get_instance(db, found->instance_id);
    if (!instance) co_return std::unexpected(std::move(instance).error());
    if (!answer) answer = json_response({{"operation", view(*found)}, {"instance", view(*instance)}}).body;
    co_return Accepted{*std::move(found), *std::move(instance), *std::move(answer)};
}

// The change, and with a key what it is answered, in one transaction.
asio::awaitable<Result<Accepted>> change_once(
    pg::Connection& tx, const Call& call, const Attempt& attempt,
    const std::function<asio::awaitable<Result<std::string>>(pg::Connection&)>& change) {
    const auto& key = attempt.idempotency_key;
    if (key)
        if (auto freed = co_await cms::free_key(tx, call.caller().name, *key); !freed)
            co_return std::unexpected(std::move(freed).error());
    auto operation = co_await change(tx);
    if (!operation) co_return std::unexpected(std::move(operation).error());
    auto out = co_await read_outcome(tx, *std::move(operation));
    if (!out || !key) co_return out;
    auto kept =
        co_await cms::keep_answer(tx, call.caller().name, *key, {attempt.digest, out->operation.id, out->answer});
    if (!kept) co_return std::unexpected(std::move(kept).error());
    co_return out;
}

// What the key was answered within the last day. Error: conflict/"idempotency_key_reused".
asio::awaitable<Result<std::optional<Accepted>>> find_repeated(pg::Connection& db, const Call& call,
                                                               const Attempt& attempt) {
    auto before = co_await cms::find_answer(db, call.caller().name, *attempt.idempotency_key);
    if (!before) co_return std::unexpected(std::move(before).error());
    if (!*before) co_return std::nullopt;
    if (!constant_time_equal((*before)->request_digest, attempt.digest))
        co_return std::unexpected(Error{
            ErrorKind::conflict, "idempotency_key_reused",
            fmt::format("the idempotency key was used for another request, which led to operation {}; use a new key",
                        (*before)->operation)});
    auto out = co_await read_outcome(db, (*before)->operation, (*before)->answer);
    if (!out) co_return std::unexpected(std::move(out).error());
    co_return *std::move(out);
}

// What an attempt whose commit got no answer has left.
asio::awaitable<Result<std::optional<Accepted>>> find_own(pg::Connection& db, const Attempt& attempt) {
    auto out = co_await read_outcome(db, attempt.operation);
    if (!out && out.error().kind != ErrorKind::not_found) co_return std::unexpected(std::move(out).error());
    co_return out ? std::optional(*std::move(out)) : std::nullopt;
}

}  // namespace

std::string request_digest(const Call& call, const Json& body) {
    std::string path;
    for (const auto& segment : call.segments()) path += "/" + http::percent_encode(segment);
    return sha256_hex(
        fmt::format("{}\n{} {}\n{}", call.caller().token.reveal(), call.request().method, path, body.dump()));
}

Attempt attempt_of(const Call& call, std::string digest) {
    return {"op-" + random_hex(16), call.idempotency_key(), std::move(digest)};
}

asio::awaitable<Result<std::optional<Accepted>>> find_outcome(const Call& call, const Attempt& attempt) {
    co_return co_await query(call.services().pool, [&](pg::Connection& db) {
        return attempt.idempotency_key ? find_repeated(db, call, attempt) : find_own(db, attempt);
    });
}

asio::awaitable<Result<Accepted>> accept(const Call& call, Attempt attempt,
                                         std::function<asio::awaitable<Result<std::string>>(pg::Connection&)> change) {
    bool look_first = attempt.idempotency_key.has_value();
    for (int tries = 1;; ++tries) {
        if (look_first) {
            auto before = co_await find_outcome(call, attempt);
            if (!before) co_return std::unexpected(std::move(before).error());
            if (*before) co_return **std::move(before);
        }
        auto done = co_await transact(call.services().pool,
                                      [&](pg::Connection& tx) { return change_once(tx, call, attempt, change); });
        if (done) {
            co_await call.services().client.announce(done->operation.orchestration);
            co_return done;
        }
        const auto& error = done.error();
        if (error.kind == ErrorKind::conflict && attempt.idempotency_key) {
            // The faster one of two requests with one key may be what stood in the way.
            auto before = co_await find_outcome(call, attempt);
            if (!before) co_return std::unexpected(std::move(before).error());
            if (*before) co_return **std::move(before);
        }
        const bool again = error.kind == ErrorKind::transient || error.code == "operation_in_progress" ||
                           error.code == "unique_violation";
        const auto pause = again && error.code != "pool_exhausted" ? pause_before(tries) : std::nullopt;
        if (!pause) co_return std::unexpected(std::move(done).error());
        look_first = true;
        asio::steady_timer timer(call.services().io, *pause);
        co_await timer.async_wait(use);
    }
}

http::Response accepted(const Accepted& outcome) {
    http::Response out{202, {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}}, outcome.answer};
    out.headers.set("Location", "/api/v1/operations/" + outcome.operation.id);
    return out;
}

}  // namespace toygres::api
