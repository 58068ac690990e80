#include "kube/trouble.hpp"

#include "kube/inspect.hpp"
#include "kube/manifests.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace toygres::kube {
namespace {

using ha::Trouble;
using namespace std::chrono_literals;

// A pod's deletionTimestamp is the end of its grace; the node needs a moment more to say that it is gone.
constexpr auto end_margin = 15s;

const Json& items_at(const Json& object, const char* pointer) {
    static const Json none = Json::array();
    const Json::json_pointer p(pointer);
    return object.contains(p) && object[p].is_array() ? object[p] : none;
}

// Null when there is none of that type.
const Json* condition_of(const Json& object, std::string_view type) {
    for (const auto& condition : items_at(object, "/status/conditions"))
        if (text_at(condition, "/type") == type) return &condition;
    return nullptr;
}

bool is_condition(const Json& object, std::string_view type, std::string_view status) {
    const auto* condition = condition_of(object, type);
    return condition != nullptr && text_at(*condition, "/status") == status;
}

// A node that does not answer says nothing of its pods. The control plane takes Ready from them, and leaves what only
// the node can know as it was; later it marks them for deletion.
bool is_on_a_lost_node(const Json& pod) {
    if (text_at(pod, "/status/reason") == "NodeLost") return true;
    const auto* disruption = condition_of(pod, "DisruptionTarget");
    if (disruption != nullptr && text_at(*disruption, "/status") == "True" &&
        text_at(*disruption, "/reason") == "DeletionByTaintManager")
        return true;
    const auto* ready = condition_of(pod, "Ready");
    return ready != nullptr && text_at(*ready, "/status") == "False" &&
           text_at(*ready, "/reason") != "ReadinessGatesNotReady" && is_condition(pod, "ContainersReady", "True");
}

std::string name_of(const Json& object) { return text_at(object, "/metadata/name"); }

std::string joined(std::string first, const std::string& second) {
    if (second.empty()) return first;
    return first.empty() ? second : first + ": " + second;
}

std::optional<Trouble> trouble_of_container(const Json& status) {
    auto reason = text_at(status, "/state/waiting/reason");
    if (reason.empty() || reason == "ContainerCreating" || reason == "PodInitializing") return std::nullopt;
    // The two take turns while one thing is wrong.
    if (reason == "ErrImagePull") reason = "ImagePullBackOff";
    auto message = joined(text_at(status, "/name"), text_at(status, "/state/waiting/message"));
    const Json::json_pointer last("/lastState/terminated");
    if (reason == "CrashLoopBackOff" && status.contains(last)) {
        const auto& ended = status[last];
        const auto code = ended.contains("exitCode") ? ended["exitCode"] : Json(0);
        message += fmt::format("; it ended last with exit code {} ({})", code.dump(),
                               joined(text_at(ended, "/reason"), text_at(ended, "/message")));
    }
    return Trouble{std::move(reason), std::move(message)};
}

// Of both kinds of event there are, in their text form, which sorts as time does.
std::string time_of(const Json& event) {
    std::string out;
    for (const char* pointer :
         {"/metadata/creationTimestamp", "/lastTimestamp", "/eventTime", "/series/lastObservedTime"})
        out = std::max(out, text_at(event, pointer));
    return out;
}

asio::awaitable<std::optional<Trouble>> newest_trouble(Client& client, std::string ns, std::string kind,
                                                       std::string name, std::string uid) {
    auto fields = fmt::format("involvedObject.kind={},involvedObject.name={}", kind, name);
    if (!uid.empty()) fields += ",involvedObject.uid=" + uid;
    const auto events = co_await client.list(resource("Event", ns, ""), {.fields = std::move(fields)});
    if (!events) co_return std::nullopt;
    co_return trouble_of_events(events->items);
}

asio::awaitable<std::optional<Trouble>> claim_trouble(Client& client, std::string ns, std::string name) {
    const auto claim = co_await client.get(resource("PersistentVolumeClaim", ns, name));
    if (!claim || text_at(*claim, "/status/phase") == "Bound") co_return std::nullopt;
    auto told = co_await newest_trouble(client, ns, "PersistentVolumeClaim", name, text_at(*claim, "/metadata/uid"));
    if (told) told->message = fmt::format("PersistentVolumeClaim {}: {}", name, told->message);
    co_return told;
}

}  // namespace

std::optional<Trouble> trouble_of_deletion(const Json& object, Timestamp at) {
    if (text_at(object, "/kind") == "Pod" && is_on_a_lost_node(object))
        return Trouble{"NodeNotReady", fmt::format("Pod {} is to be deleted, and its node {} does not answer: it stays "
                                                   "until the node is back or is deleted",
                                                   name_of(object), text_at(object, "/spec/nodeName"))};
    const auto due = text_at(object, "/metadata/deletionTimestamp");
    const auto parsed = parse_rfc3339(due);
    if (!parsed || at < *parsed + end_margin) return std::nullopt;
    std::string holders;
    for (const auto& finalizer : items_at(object, "/metadata/finalizers"))
        if (finalizer.is_string()) holders += (holders.empty() ? "" : ", ") + finalizer.get<std::string>();
    return Trouble{"Terminating",
                   fmt::format("{} {} should have been gone at {}{}", text_at(object, "/kind"), name_of(object), due,
                               holders.empty() ? "" : "; it is held by " + holders)};
}

std::optional<Trouble> trouble_of_pod(const Json& pod, Timestamp at) {
    if (!text_at(pod, "/metadata/deletionTimestamp").empty()) return trouble_of_deletion(pod, at);
    if (is_on_a_lost_node(pod))
        return Trouble{"NodeNotReady", fmt::format("the node {} of Pod {} does not answer",
                                                   text_at(pod, "/spec/nodeName"), name_of(pod))};
    if (text_at(pod, "/status/phase") == "Failed")
        return Trouble{text_at(pod, "/status/reason").empty() ? "Failed" : text_at(pod, "/status/reason"),
                       joined(fmt::format("Pod {} has failed", name_of(pod)), text_at(pod, "/status/message"))};
    for (const char* list : {"/status/initContainerStatuses", "/status/containerStatuses"})
        for (const auto& status : items_at(pod, list))
            if (auto told = trouble_of_container(status)) return told;
    const auto* scheduled = condition_of(pod, "PodScheduled");
    if (scheduled == nullptr || text_at(*scheduled, "/status") != "False") return std::nullopt;
    auto reason = text_at(*scheduled, "/reason");
    if (reason.empty()) reason = "Unschedulable";
    return Trouble{std::move(reason), fmt::format("Pod {}: {}", name_of(pod), text_at(*scheduled, "/message"))};
}

std::optional<Trouble> trouble_of_events(const std::vector<Json>& events) {
    const Json* newest = nullptr;
    for (const auto& event : events) {
        if (text_at(event, "/reason") == "Unhealthy") continue;
        if (newest == nullptr || time_of(event) >= time_of(*newest)) newest = &event;
    }
    if (newest == nullptr) return std::nullopt;
    const auto reason = text_at(*newest, "/reason");
    // That a claim finds no volume is told as if it were nothing.
    if (text_at(*newest, "/type") != "Warning" && reason != "FailedBinding") return std::nullopt;
    return Trouble{reason, text_at(*newest, "/message")};
}

Trouble trouble_of(const Error& error) {
    if (error.code == "kube_quota_exceeded") return {"QuotaExceeded", error.message};
    if (error.code == "kube_denied") return {"AdmissionDenied", error.message};
    if (error.code == "kube_unreachable" || (error.code == "kube_timed_out" && !error.details.is_object()))
        return {"KubernetesUnreachable", error.message};
    auto reason = error.details.is_object() ? text_at(error.details, "/reason") : std::string();
    return {reason.empty() ? error.code : std::move(reason), error.message};
}

asio::awaitable<std::optional<Trouble>> member_trouble(Client& client, std::string ns, std::string k8s_name,
                                                       std::int64_t member) {
    const auto pod = co_await client.get(resource("Pod", ns, member_pod(k8s_name, member)));
    if (!pod && pod.error().kind != ErrorKind::not_found) co_return trouble_of(pod.error());
    // One that somebody else has made under that name is none.
    const bool there = pod && text_at(*pod, "/metadata/labels/toygres.io~1member") == member_name(k8s_name, member);
    if (!there) co_return co_await newest_trouble(client, ns, "StatefulSet", member_name(k8s_name, member), "");
    auto told = trouble_of_pod(*pod, now());
    const bool pending =
        text_at(*pod, "/status/phase") == "Pending" && text_at(*pod, "/metadata/deletionTimestamp").empty();
    if (!pending || (told && told->reason != "Unschedulable")) co_return told;
    // A claim that is not bound tells better than the scheduler, which waits for it, what is missing.
    if (auto unbound = co_await claim_trouble(client, ns, member_claim(k8s_name, member))) co_return unbound;
    if (told) co_return told;
    co_return co_await newest_trouble(client, ns, "Pod", member_pod(k8s_name, member), text_at(*pod, "/metadata/uid"));
}

}  // namespace toygres::kube
