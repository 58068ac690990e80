// The words of `kubectl get pods`, after k8s.io/kubernetes/pkg/printers.
#include "localkube/table.hpp"

#include <fmt/format.h>

namespace toygres::localkube {
namespace {

const Json& list_at(const Json& object, std::initializer_list<const char*> path) {
    static const Json none = Json::array();
    const auto& value = value_at(object, path);
    return value.is_array() ? value : none;
}

struct Restarts {
    int count = 0;
    std::string last_finished;

    void add(const Json& status) {
        count += status.value("restartCount", 0);
        // RFC 3339 times of one zone compare as text.
        const auto finished = text_at(status, {"lastState", "terminated", "finishedAt"}, "");
        if (finished > last_finished) last_finished = finished;
    }
    std::string text() const {
        if (last_finished.empty() || count == 0) return std::to_string(count);
        return fmt::format("{} ({} ago)", count, age_of(last_finished));
    }
};

std::string terminated_reason(const Json& terminated) {
    if (const auto reason = text_at(terminated, {"reason"}, ""); !reason.empty()) return reason;
    if (terminated.value("signal", 0) != 0) return fmt::format("Signal:{}", terminated.value("signal", 0));
    return fmt::format("ExitCode:{}", terminated.value("exitCode", 0));
}

// "Init:…" while init containers run; empty when all are done.
std::string init_reason(const Object& pod) {
    const auto& statuses = list_at(pod, {"status", "initContainerStatuses"});
    const auto total = list_at(pod, {"spec", "initContainers"}).size();
    for (std::size_t i = 0; i < statuses.size(); ++i) {
        const auto& terminated = value_at(statuses[i], {"state", "terminated"});
        const auto waiting = text_at(statuses[i], {"state", "waiting", "reason"}, "");
        if (terminated.is_object() && terminated.value("exitCode", 0) == 0) continue;
        if (terminated.is_object()) return "Init:" + terminated_reason(terminated);
        if (!waiting.empty() && waiting != "PodInitializing") return "Init:" + waiting;
        return fmt::format("Init:{}/{}", i, total);
    }
    return {};
}

struct ContainerWords {
    std::string reason;
    int ready = 0;
    bool running = false;
    Restarts restarts;
};

ContainerWords container_words(const Object& pod, std::string reason) {
    ContainerWords out{.reason = std::move(reason)};
    const auto& statuses = list_at(pod, {"status", "containerStatuses"});
    for (auto it = statuses.rbegin(); it != statuses.rend(); ++it) {
        out.restarts.add(*it);
        const auto waiting = text_at(*it, {"state", "waiting", "reason"}, "");
        const auto& terminated = value_at(*it, {"state", "terminated"});
        if (!waiting.empty())
            out.reason = waiting;
        else if (terminated.is_object())
            out.reason = terminated_reason(terminated);
        else if (it->value("ready", false) && value_at(*it, {"state", "running"}).is_object()) {
            out.running = true;
            ++out.ready;
        }
    }
    return out;
}

bool has_ready_condition(const Object& pod) {
    for (const auto& condition : list_at(pod, {"status", "conditions"}))
        if (condition.value("type", "") == "Ready") return condition.value("status", "") == "True";
    return false;
}

}  // namespace

Json pod_cells(const Object& pod) {
    auto words = container_words(pod, text_at(pod, {"status", "reason"}, text_at(pod, {"status", "phase"}, "Pending")));
    if (const auto init = init_reason(pod); !init.empty()) {
        Restarts restarts;
        for (const auto& status : list_at(pod, {"status", "initContainerStatuses"})) restarts.add(status);
        words = {.reason = init, .restarts = restarts};
    } else if (words.reason == "Completed" && words.running) {
        words.reason = has_ready_condition(pod) ? "Running" : "NotReady";
    }
    if (value_at(pod, {"metadata", "deletionTimestamp"}).is_string())
        words.reason = text_at(pod, {"status", "reason"}, "") == "NodeLost" ? "Unknown" : "Terminating";
    const auto total = list_at(pod, {"spec", "containers"}).size();
    return Json::array({text_at(pod, {"metadata", "name"}), fmt::format("{}/{}", words.ready, total), words.reason,
                        words.restarts.text(), age_of(value_at(pod, {"metadata", "creationTimestamp"})),
                        text_at(pod, {"status", "podIP"}), text_at(pod, {"spec", "nodeName"}),
                        text_at(pod, {"status", "nominatedNodeName"}), "<none>"});
}

}  // namespace toygres::localkube
