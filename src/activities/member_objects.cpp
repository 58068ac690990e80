#include "activities/member_objects.hpp"

#include "base/crash_point.hpp"
#include "base/log.hpp"
#include "kube/inspect.hpp"
#include "kube/trouble.hpp"

namespace toygres::activities {
namespace {

using namespace std::chrono_literals;

// A member without a pod for so long gets its objects applied again: somebody may have deleted them.
constexpr std::int64_t reapply_after_ms = 3'000;
constexpr auto make_interval = 1s;
constexpr auto erase_interval = 250ms;

bool is_new(const ha::Record& record, const std::string& member) {
    const auto* standby = ha::standby_of(record, member);
    return standby != nullptr && standby->standing == ha::Standing::joining;
}

}  // namespace

// One of them that is being deleted is not complete, and cannot be made anew before it is gone.
asio::awaitable<bool> MemberObjects::is_complete(const std::string& member) {
    const auto claim = kube::member_claim(spec_.k8s_name, ha::number_of(member));
    for (const auto& ref :
         {kube::resource("StatefulSet", spec_.ns, member), kube::resource("PersistentVolumeClaim", spec_.ns, claim)}) {
        const auto present = co_await services_.kube.get(ref);
        if (!present && present.error().kind == ErrorKind::not_found) co_return false;
    }
    co_return true;
}

asio::awaitable<void> MemberObjects::make_one(const ha::Record& record, const std::string& name) {
    if (co_await is_complete(name)) co_return;
    log::info("member.applied", {{"member", name}});
    const auto* standby = ha::standby_of(record, name);
    spec_.zone = standby != nullptr ? standby->zone : std::nullopt;
    for (auto& object : value_or_raise(kube::member_objects(services_.templates, spec_, ha::number_of(name)))) {
        value_or_raise(co_await services_.kube.apply(std::move(object)));
        crash_point("effect.member");
    }
}

asio::awaitable<void> MemberObjects::make(const ha::Record& record, const ha::Observation& seen,
                                          MemberTroubles& troubles) {
    if (std::chrono::steady_clock::now() - made_at_ < make_interval) co_return;
    for (const auto& name : record.members) {
        const auto view = seen.find(name);
        if (view == seen.end() || !view->second.gone) continue;
        if (!is_new(record, name) && view->second.silent_ms < reapply_after_ms) continue;
        made_at_ = std::chrono::steady_clock::now();
        // What cannot be made now is tried again: the others are looked after meanwhile.
        try {
            co_await make_one(record, name);
        } catch (const ErrorException& e) {
            note_failure(e.error());
            troubles.note(name, kube::trouble_of(e.error()));
        }
    }
}

// The pod goes after its StatefulSet and the disk after the pod. true: nothing is left.
asio::awaitable<bool> MemberObjects::erase(const std::string& member) {
    for (const auto* kind : {"StatefulSet", "Pod", "PersistentVolumeClaim"}) {
        const auto left = value_or_raise(
            co_await services_.kube.list(kube::resource(kind, spec_.ns, ""),
                                         {.labels = kube::member_selector(spec_.k8s_name, ha::number_of(member))}));
        for (const auto& object : left.items) {
            if (!kube::text_at(object, "/metadata/deletionTimestamp").empty()) continue;
            const auto ref = kube::resource(kind, spec_.ns, kube::text_at(object, "/metadata/name"));
            value_or_raise(co_await services_.kube.remove(ref, {.propagation = kube::Propagation::background}));
            crash_point("effect.member");
        }
        if (!left.items.empty()) co_return false;
    }
    co_return true;
}

void MemberObjects::note_failure(const Error& error) const {
    log::warning("member.not_kept", {{"k8s_name", spec_.k8s_name}, {"code", error.code}, {"message", error.message}});
}

asio::awaitable<void> MemberObjects::keep(const ha::Record& record, ha::Observation& seen, MemberTroubles& troubles) {
    co_await make(record, seen, troubles);
    const auto removed = ha::removed_members(record);
    if (removed.empty() || std::chrono::steady_clock::now() - erased_at_ < erase_interval) co_return;
    erased_at_ = std::chrono::steady_clock::now();
    for (const auto& name : removed) {
        try {
            seen[name].erased = co_await erase(name);
        } catch (const ErrorException& e) {
            note_failure(e.error());
        }
    }
}

}  // namespace toygres::activities
