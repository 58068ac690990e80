#include "api/change_replication.hpp"

#include "api/precondition.hpp"
#include "cms/replication.hpp"
#include "orchestrations/health_check.hpp"
#include "orchestrations/verify_replication.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace toygres::api {
namespace {

bool is_number(const std::string& text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// What an operation is called whose request is of that kind.
std::string operation_kind(const std::string& request) {
    if (request == "add" || request == "remove") return request + "_replica";
    return request == "configure" ? "configure_replication" : request;
}

asio::awaitable<Result<cms::Instance>> running_instance(pg::Connection& tx, const Call& call, std::string name) {
    auto instance = co_await instance_to_change(tx, call, name);
    if (instance && instance->state != "running")
        co_return std::unexpected(Error{
            ErrorKind::conflict, "instance_not_running",
            fmt::format("the instance is {}; its replication can be changed while it is running", instance->state)});
    co_return instance;
}

asio::awaitable<Result<void>> insert(pg::Connection& tx, const Call& call, const Attempt& attempt, std::string kind,
                                     std::string instance, std::string orchestration) {
    co_return co_await cms::insert_operation(tx, {.id = attempt.operation,
                                                  .kind = std::move(kind),
                                                  .instance_id = std::move(instance),
                                                  .orchestration = std::move(orchestration),
                                                  .caller = call.caller().name,
                                                  .request_id = call.request_id(),
                                                  .idempotency_key = attempt.idempotency_key,
                                                  .request_digest = attempt.digest});
}

asio::awaitable<Result<std::string>> accept_change(pg::Connection& tx, const Call& call, const std::string& name,
                                                   ha::Request request, const Attempt& attempt) {
    auto instance = co_await running_instance(tx, call, name);
    if (!instance) co_return std::unexpected(std::move(instance).error());
    if (is_number(request.target)) request.target = fmt::format("{}-{}", instance->k8s_name, request.target);
    request.operation = attempt.operation;
    request.actor = call.actor().name;
    if (request.wait_until) {
        // By the clock of whoever judges it.
        const auto stored = co_await cms::get_replication(tx, instance->id);
        if (!stored) co_return std::unexpected(stored.error());
        *request.wait_until += stored->read_at - now();
    }
    auto recorded = co_await insert(tx, call, attempt, operation_kind(request.kind), instance->id,
                                    orchestrations::health_check_id(instance->k8s_name));
    if (!recorded) co_return std::unexpected(std::move(recorded).error());
    auto put = co_await cms::put_request(tx, instance->id, encode(request));
    if (!put) co_return std::unexpected(std::move(put).error());
    co_return attempt.operation;
}

asio::awaitable<Result<std::string>> accept_verification(pg::Connection& tx, const Call& call, const std::string& name,
                                                         std::chrono::milliseconds timeout, const Attempt& attempt) {
    using orchestrations::VerifyReplication;
    auto instance = co_await running_instance(tx, call, name);
    if (!instance) co_return std::unexpected(std::move(instance).error());
    auto stored = co_await cms::get_replication(tx, instance->id);
    if (!stored) co_return std::unexpected(std::move(stored).error());
    if (stored->record.at("members").size() < 2)
        co_return std::unexpected(
            Error{ErrorKind::conflict, "no_standby", "the instance has no standby on which to look for a marker"});
    const auto orchestration = "verify-" + attempt.operation;
    auto recorded = co_await insert(tx, call, attempt, "verify_replication", instance->id, orchestration);
    if (!recorded) co_return std::unexpected(std::move(recorded).error());
    auto started = co_await runtime::Client::start_in(
        tx, {.id = orchestration,
             .name = std::string(VerifyReplication::name),
             .input = encode(VerifyReplication::Input{.instance = {instance->id, instance->k8s_name, instance->ns},
                                                      .operation = attempt.operation,
                                                      .timeout_ms = timeout.count()}),
             .tags = call.correlated({{"instance", name}, {"operation", attempt.operation}})});
    if (!started) co_return std::unexpected(std::move(started).error());
    co_return attempt.operation;
}

}  // namespace

asio::awaitable<Result<Accepted>> change_replication(const Call& call, std::string name, ha::Request request,
                                                     std::string digest) {
    const auto attempt = attempt_of(call, std::move(digest));
    auto accepted = co_await accept(
        call, attempt, [&](pg::Connection& tx) { return accept_change(tx, call, name, request, attempt); });
    // The monitor finds the request at its next look anyway; this makes that now.
    if (accepted)
        co_await call.services().client.signal(accepted->operation.orchestration, "wake", {},
                                               "wake/" + accepted->operation.id);
    co_return accepted;
}

asio::awaitable<Result<Accepted>> verify_replication(const Call& call, std::string name,
                                                     std::chrono::milliseconds timeout, std::string digest) {
    const auto attempt = attempt_of(call, std::move(digest));
    co_return co_await accept(
        call, attempt, [&](pg::Connection& tx) { return accept_verification(tx, call, name, timeout, attempt); });
}

}  // namespace toygres::api
