#include "api/accept.hpp"

#include "api/views.hpp"
#include "base/crypto.hpp"
#include "cms/instances.hpp"

#include <fmt/format.h>

namespace toygres::api {
namespace {

asio::awaitable<Result<std::string>> transact(
    const Call& call, const std::function<asio::awaitable<Result<std::string>>(pg::Connection&)>& change) {
    auto lease = co_await call.services().pool->acquire();
    if (!lease) co_return std::unexpected(std::move(lease).error());
    if (auto begun = co_await (*lease)->begin(); !begun) co_return std::unexpected(std::move(begun).error());
    auto out = co_await change(**lease);
    if (!out) {
        co_await (*lease)->rollback();
        co_return out;
    }
    if (auto committed = co_await (*lease)->commit(); !committed)
        co_return std::unexpected(std::move(committed).error());
    co_return out;
}

Result<std::optional<std::string>> repeated(const std::optional<cms::Operation>& before, const Attempt& attempt) {
    if (!before) return std::nullopt;
    if (constant_time_equal(before->request_digest, attempt.digest)) return before->id;
    return std::unexpected(
        Error{ErrorKind::conflict, "idempotency_key_reused",
              fmt::format("the idempotency key was used for another request, which made operation {}", before->id)});
}

// The operation that an earlier request with this key, or an attempt whose commit got no answer, has left.
asio::awaitable<Result<std::optional<std::string>>> find_outcome(const Call& call, const Attempt& attempt) {
    if (attempt.idempotency_key) {
        auto before = co_await query(call.services().pool, [&](pg::Connection& db) {
            return cms::find_by_key(db, call.caller().name, *attempt.idempotency_key);
        });
        if (!before) co_return std::unexpected(std::move(before).error());
        co_return repeated(*before, attempt);
    }
    auto own = co_await query(call.services().pool,
                              [&](pg::Connection& db) { return cms::get_operation(db, attempt.operation); });
    if (own) co_return own->id;
    if (own.error().kind == ErrorKind::not_found) co_return std::nullopt;
    co_return std::unexpected(std::move(own).error());
}

asio::awaitable<Result<Accepted>> read_outcome(const Call& call, std::string operation) {
    auto found =
        co_await query(call.services().pool, [&](pg::Connection& db) { return cms::get_operation(db, operation); });
    if (!found) co_return std::unexpected(std::move(found).error());
    auto instance = co_await query(call.services().pool,
                                   [&](pg::Connection& db) { return cms::get_instance(db, found->instance_id); });
    if (!instance) co_return std::unexpected(std::move(instance).error());
    co_return Accepted{*std::move(found), *std::move(instance)};
}

}  // namespace

std::string request_digest(const Call& call, const Json& body) {
    std::string path;
    for (const auto& segment : call.segments()) path += "/" + http::percent_encode(segment);
    return sha256_hex(
        fmt::format("{}\n{} {}\n{}", call.caller().token.reveal(), call.request().method, path, body.dump()));
}

asio::awaitable<Result<Accepted>> accept(const Call& call, Attempt attempt,
                                         std::function<asio::awaitable<Result<std::string>>(pg::Connection&)> change) {
    bool look_first = attempt.idempotency_key.has_value();
    for (int tries = 1;; ++tries) {
        if (look_first) {
            auto before = co_await find_outcome(call, attempt);
            if (!before) co_return std::unexpected(std::move(before).error());
            if (*before) co_return co_await read_outcome(call, **std::move(before));
        }
        auto done = co_await transact(call, change);
        if (done) {
            const auto outcome = co_await read_outcome(call, *std::move(done));
            if (outcome) co_await call.services().client.announce(outcome->operation.orchestration);
            co_return outcome;
        }
        const auto& error = done.error();
        if (error.kind == ErrorKind::conflict && attempt.idempotency_key) {
            // The faster one of two requests with one key may be what stood in the way.
            auto before = co_await find_outcome(call, attempt);
            if (!before) co_return std::unexpected(std::move(before).error());
            if (*before) co_return co_await read_outcome(call, **std::move(before));
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
    auto out = json_response({{"operation", view(outcome.operation)}, {"instance", view(outcome.instance)}}, 202);
    out.headers.set("Location", "/api/v1/operations/" + outcome.operation.id);
    return out;
}

}  // namespace toygres::api
