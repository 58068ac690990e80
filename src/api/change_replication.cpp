#include "api/change_replication.hpp"

#include "api/problem.hpp"
#include "base/crypto.hpp"
#include "cms/replication.hpp"
#include "orchestrations/health_check.hpp"
#include "orchestrations/tend_replication.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace toygres::api {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t reason_length_max = 500;

Result<ha::Request> check(const std::string& kind, ReplicationBody body) {
    std::vector<FieldError> wrong;
    ha::Request request{.kind = kind,
                        .target = body.target.value_or(""),
                        .allow_data_loss = body.allow_data_loss.value_or(false),
                        .force = body.force.value_or(false),
                        .dry_run = body.dry_run.value_or(false),
                        .reason = body.reason.value_or("")};
    const auto timeout = parse_duration(body.timeout.value_or("60s"));
    if (!timeout || *timeout < 1s || *timeout > 1h)
        wrong.push_back({"timeout", "must be a duration from 1s to 1h, such as 60s"});
    else
        request.timeout_ms = timeout->count();
    const auto action = enum_from<ha::OldPrimary>(body.old_primary_action.value_or("convert_to_replica"));
    if (!action || *action == ha::OldPrimary::terminate)
        wrong.push_back({"old_primary_action", "must be convert_to_replica or stop_and_retain"});
    else
        request.old_primary_action = *action;
    if (request.reason.size() > reason_length_max)
        wrong.push_back({"reason", fmt::format("must be at most {} bytes", reason_length_max)});
    if (!wrong.empty()) return std::unexpected(invalid_fields(std::move(wrong)));
    return request;
}

bool is_number(const std::string& text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

asio::awaitable<Result<std::string>> accept_change(pg::Connection& tx, const Call& call, const std::string& name,
                                                   ha::Request request, const Attempt& attempt) {
    auto instance = co_await cms::find_instance(tx, name);
    if (!instance) co_return std::unexpected(std::move(instance).error());
    if (instance->state != "running")
        co_return std::unexpected(Error{
            ErrorKind::conflict, "instance_not_running",
            fmt::format("the instance is {}; its replication can be changed while it is running", instance->state)});
    if (is_number(request.target)) request.target = fmt::format("{}-{}", instance->k8s_name, request.target);
    request.operation = attempt.operation;
    request.actor = call.actor().name;
    auto recorded =
        co_await cms::insert_operation(tx, {.id = attempt.operation,
                                            .kind = request.kind,
                                            .instance_id = instance->id,
                                            .orchestration = orchestrations::health_check_id(instance->k8s_name),
                                            .caller = call.caller().name,
                                            .request_id = call.request_id(),
                                            .idempotency_key = attempt.idempotency_key,
                                            .request_digest = attempt.digest});
    if (!recorded) co_return std::unexpected(std::move(recorded).error());
    auto put = co_await cms::put_request(tx, instance->id, encode(request));
    if (!put) co_return std::unexpected(std::move(put).error());
    co_return attempt.operation;
}

}  // namespace

asio::awaitable<Result<Accepted>> change_replication(const Call& call, std::string kind, std::string name,
                                                     ReplicationBody body, std::string digest) {
    auto request = check(kind, std::move(body));
    if (!request) co_return std::unexpected(std::move(request).error());
    const Attempt attempt{"op-" + random_hex(16), call.idempotency_key(), std::move(digest)};
    auto accepted = co_await accept(
        call, attempt, [&](pg::Connection& tx) { return accept_change(tx, call, name, *request, attempt); });
    // The monitor finds the request at its next look anyway; this makes that now.
    if (accepted)
        co_await call.services().client.signal(accepted->operation.orchestration, "wake", {},
                                               "wake/" + accepted->operation.id);
    co_return accepted;
}

}  // namespace toygres::api
