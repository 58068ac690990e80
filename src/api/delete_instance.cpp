#include "api/delete_instance.hpp"

#include "api/precondition.hpp"
#include "orchestrations/delete_instance.hpp"

namespace toygres::api {
namespace {

constexpr auto kind = "delete_instance";

asio::awaitable<Result<std::string>> accept_deletion(pg::Connection& tx, const Call& call, const std::string& name,
                                                     const Attempt& attempt) {
    auto instance = co_await instance_to_change(tx, call, name);
    if (!instance) co_return std::unexpected(std::move(instance).error());
    auto running = co_await cms::find_running(tx, instance->id, kind);
    if (!running) co_return std::unexpected(std::move(running).error());
    if (*running) co_return (*running)->id;
    const auto orchestration = "delete-" + instance->k8s_name;
    auto recorded = co_await cms::insert_operation(tx, {.id = attempt.operation,
                                                        .kind = kind,
                                                        .instance_id = instance->id,
                                                        .orchestration = orchestration,
                                                        .caller = call.caller().name,
                                                        .request_id = call.request_id(),
                                                        .idempotency_key = attempt.idempotency_key,
                                                        .request_digest = attempt.digest});
    if (!recorded) co_return std::unexpected(std::move(recorded).error());
    using orchestrations::DeleteInstance;
    auto started = co_await runtime::Client::start_in(
        tx, {.id = orchestration,
             .name = std::string(DeleteInstance::name),
             .input = encode(DeleteInstance::Input{.instance = instance->id,
                                                   .operation = attempt.operation,
                                                   .k8s_name = instance->k8s_name,
                                                   .ns = instance->ns}),
             .on_conflict = runtime::OnConflict::replace_terminal,
             .tags = call.correlated({{"instance", name}, {"operation", attempt.operation}})});
    if (!started) co_return std::unexpected(std::move(started).error());
    auto noted = co_await cms::set_orchestrations(tx, instance->id, orchestration, std::nullopt);
    if (!noted) co_return std::unexpected(std::move(noted).error());
    co_return attempt.operation;
}

}  // namespace

asio::awaitable<Result<Accepted>> delete_instance(const Call& call, std::string name, Attempt attempt) {
    co_return co_await accept(call, attempt,
                              [&](pg::Connection& tx) { return accept_deletion(tx, call, name, attempt); });
}

}  // namespace toygres::api
