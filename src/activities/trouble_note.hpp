// Tells who waits for an operation what Kubernetes keeps it waiting for: on record while it lasts, beside the status of
// its orchestration, which tells the same to every replay.
#pragma once
#include "activities/instance_services.hpp"
#include "ha/trouble.hpp"
#include "kube/trouble.hpp"
#include "runtime/host/activity_context.hpp"

#include <optional>
#include <string>

namespace toygres::activities {

// Of the running operations that this orchestration works on; nullopt: nothing is wrong any more. A CMS that is away
// leaves what is there.
asio::awaitable<void> note_trouble(InstanceServices& services, std::string orchestration,
                                   std::optional<ha::Trouble> trouble);

// The `work` of an activity; what Kubernetes refuses it is on record until the next attempt.
template <class T> asio::awaitable<T> telling_trouble(runtime::ActivityContext& ctx, asio::awaitable<T> work) {
    auto& services = ctx.service<InstanceServices>();
    std::optional<T> done;
    std::optional<Error> failure;
    try {
        done = co_await std::move(work);
    } catch (const ErrorException& e) {
        failure = e.error();
    }
    std::optional<ha::Trouble> trouble;
    if (failure && failure->code.starts_with("kube_")) trouble = kube::trouble_of(*failure);
    if (trouble || ctx.attempt() > 1) co_await note_trouble(services, ctx.orchestration(), std::move(trouble));
    if (failure) throw ErrorException(*failure);
    co_return *std::move(done);
}

}  // namespace toygres::activities
