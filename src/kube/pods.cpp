#include "kube/pods.hpp"

#include "base/log.hpp"
#include "kube/inspect.hpp"
#include "kube/manifests.hpp"
#include "kube/watch.hpp"

#include <algorithm>

namespace toygres::kube {
namespace {

using namespace std::chrono_literals;

constexpr auto pause_after_failure = 10s;

bool is_running(const Json& pod) {
    const auto containers = "/status/containerStatuses"_json_pointer;
    if (!text_at(pod, "/metadata/deletionTimestamp").empty() || !pod.contains(containers)) return false;
    return std::ranges::any_of(pod[containers], [](const Json& c) {
        return text_at(c, "/name") == "postgres" && c.value("/state/running"_json_pointer, Json()).is_object();
    });
}

}  // namespace

PodFacts facts_of(const Json& pod) {
    return {text_at(pod, "/metadata/labels/toygres.io~1member"), text_at(pod, "/metadata/uid"),
            text_at(pod, "/status/podIP"), text_at(pod, "/metadata/labels/toygres.io~1role"), is_running(pod)};
}

struct Pods::Namespace {
    bool listed = false;
    std::map<std::string, std::map<std::string, PodFacts>> instances;  // by k8s_name, then by the pod's name

    void note(Change change, const Json& pod) {
        const auto name = text_at(pod, "/metadata/name");
        // What is told of a pod that went during a lost connection is its name alone.
        if (change == Change::deleted) {
            for (auto& [instance, pods] : instances) pods.erase(name);
            return;
        }
        instances[text_at(pod, "/metadata/labels/toygres.io~1instance")][name] = facts_of(pod);
    }
};

Pods::Pods(Client& kube) : kube_(kube) {}
Pods::~Pods() = default;

std::optional<std::vector<PodFacts>> Pods::told(const std::string& ns, const std::string& k8s_name) {
    auto& known = namespaces_[ns];
    if (!known) {
        known = std::make_shared<Namespace>();
        asio::co_spawn(kube_.executor(), follow(kube_, ns, known), asio::detached);
    }
    if (!known->listed) return std::nullopt;
    std::vector<PodFacts> out;
    if (const auto it = known->instances.find(k8s_name); it != known->instances.end())
        for (const auto& [name, facts] : it->second) out.push_back(facts);
    return out;
}

asio::awaitable<void> Pods::follow(Client& kube, std::string ns, std::shared_ptr<Namespace> known) {
    asio::steady_timer timer(kube.executor());
    for (;;) {
        const auto done = co_await watch(
            kube, resource("Pod", ns, ""), {.labels = managed_selector()}, std::chrono::steady_clock::time_point::max(),
            [known](Change change, const Json& pod) {
                known->note(change, pod);
                return true;
            },
            [known] { return known->listed = true; });
        *known = {};
        if (!done)
            log::warning("pods.not_watched",
                         {{"namespace", ns}, {"code", done.error().code}, {"message", done.error().message}});
        timer.expires_after(pause_after_failure);
        co_await timer.async_wait(use);
    }
}

}  // namespace toygres::kube
