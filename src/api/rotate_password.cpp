#include "api/rotate_password.hpp"

#include "api/precondition.hpp"
#include "base/crypto.hpp"
#include "orchestrations/rotate_password.hpp"

#include <fmt/format.h>

namespace toygres::api {
namespace {

asio::awaitable<Result<std::string>> accept_rotation(pg::Connection& tx, const Call& call, const std::string& name,
                                                     const Attempt& attempt) {
    using orchestrations::RotatePassword;
    auto instance = co_await instance_to_change(tx, call, name);
    if (!instance) co_return std::unexpected(std::move(instance).error());
    if (instance->state != "running")
        co_return std::unexpected(
            Error{ErrorKind::conflict, "instance_not_running",
                  fmt::format("the instance is {}; its password can be changed while it is running", instance->state)});
    const auto orchestration = "rotate-" + attempt.operation;
    auto recorded = co_await cms::insert_operation(tx, {.id = attempt.operation,
                                                        .kind = "rotate_password",
                                                        .instance_id = instance->id,
                                                        .orchestration = orchestration,
                                                        .caller = call.caller().name,
                                                        .request_id = call.request_id(),
                                                        .idempotency_key = attempt.idempotency_key,
                                                        .request_digest = attempt.digest});
    if (!recorded) co_return std::unexpected(std::move(recorded).error());
    auto sealed = co_await cms::put_sealed(tx, instance->id, activities::new_password,
                                           call.services().sealer.seal(random_password(), instance->k8s_name));
    if (!sealed) co_return std::unexpected(std::move(sealed).error());
    auto started = co_await runtime::Client::start_in(
        tx, {.id = orchestration,
             .name = std::string(RotatePassword::name),
             .input = encode(RotatePassword::Input{.instance = {instance->id, instance->k8s_name, instance->ns},
                                                   .operation = attempt.operation}),
             .tags = call.correlated({{"instance", name}, {"operation", attempt.operation}})});
    if (!started) co_return std::unexpected(std::move(started).error());
    co_return attempt.operation;
}

}  // namespace

asio::awaitable<Result<Accepted>> rotate_password(const Call& call, std::string name, std::string digest) {
    const auto attempt = attempt_of(call, std::move(digest));
    co_return co_await accept(call, attempt,
                              [&](pg::Connection& tx) { return accept_rotation(tx, call, name, attempt); });
}

}  // namespace toygres::api
