#include "localkube/pod_status.hpp"

#include "localkube/object_fields.hpp"

#include <fmt/format.h>

namespace toygres::localkube {
namespace {

std::string seconds_of(const std::string& time) {
    const auto parsed = parse_rfc3339(time);
    return parsed ? kube_time(*parsed) : time;
}

Object terminated(const ContainerRun& run) {
    Object out = {{"exitCode", run.exit_code},
                  {"reason", run.reason},
                  {"startedAt", seconds_of(run.started_at.empty() ? run.finished_at : run.started_at)},
                  {"finishedAt", seconds_of(run.finished_at)},
                  {"containerID", run.id}};
    if (run.exit_code > 128 && run.exit_code < 128 + 65) out["signal"] = run.exit_code - 128;
    if (!run.message.empty()) out["message"] = run.message;
    return {{"terminated", out}};
}

bool waits(const ContainerView& view) {
    return !view.waiting_reason.empty() || !view.current ||
           (view.current->started_at.empty() && !view.current->ended());
}

bool runs(const ContainerView& view) { return !waits(view) && !view.current->ended(); }

bool succeeded(const ContainerView& view) {
    return !waits(view) && view.current->ended() && view.current->exit_code == 0;
}

Object container_status(const ContainerView& view, bool pod_initialized) {
    Object state;
    const auto* last = view.previous ? &*view.previous : nullptr;
    if (waits(view)) {
        const char* otherwise = view.init || pod_initialized ? "ContainerCreating" : "PodInitializing";
        state["waiting"]["reason"] = view.waiting_reason.empty() ? otherwise : view.waiting_reason;
        if (!view.waiting_message.empty()) state["waiting"]["message"] = view.waiting_message;
        if (view.current && view.current->ended()) last = &*view.current;
    } else if (view.current->ended()) {
        state = terminated(*view.current);
    } else {
        state["running"]["startedAt"] = seconds_of(view.current->started_at);
    }
    Object out = {{"name", view.name},
                  {"image", view.image},
                  {"imageID", view.image_id},
                  {"ready", view.ready},
                  {"started", view.init ? view.ready || runs(view) : view.started},
                  {"restartCount", view.current ? view.current->number : 0},
                  {"state", state},
                  {"lastState", last ? terminated(*last) : Object::object()}};
    if (view.current) out["containerID"] = view.current->id;
    return out;
}

bool initialized(const PodView& view) {
    return std::ranges::all_of(view.init_containers, [](const ContainerView& c) { return c.ready; });
}

std::string names(const std::vector<const ContainerView*>& views) {
    std::string out;
    for (const auto* view : views) out += (out.empty() ? "" : " ") + view->name;
    return "[" + out + "]";
}

}  // namespace

std::string pod_phase(const Object& pod, const PodView& view) {
    if (!view.failed_reason.empty()) return "Failed";
    const auto policy = text_at(pod, "spec.restartPolicy", "Always");
    for (const auto& c : view.init_containers) {
        if (c.ready) continue;
        const bool failed = c.current && c.current->ended() && c.current->exit_code != 0;
        return failed && policy == "Never" && c.waiting_reason.empty() ? "Failed" : "Pending";
    }
    std::size_t running = 0, waiting = 0, stopped = 0, ended_well = 0;
    for (const auto& c : view.containers) {
        if (runs(c))
            ++running;
        else if (!waits(c) || (c.current && c.current->ended()) || c.previous)
            ++stopped;
        else
            ++waiting;
        if (succeeded(c)) ++ended_well;
    }
    if (waiting > 0) return "Pending";
    if (running > 0) return "Running";
    if (policy == "Always") return "Running";
    if (stopped == ended_well) return "Succeeded";
    // With OnFailure a container that failed is going to run again.
    return policy == "Never" ? "Failed" : "Running";
}

Object pod_status(const Object& pod, const PodView& view) {
    Object status = pod.contains("status") && pod["status"].is_object() ? pod["status"] : Object::object();
    const bool is_initialized = initialized(view);
    status["phase"] = pod_phase(pod, view);
    status["hostIP"] = "127.0.0.1";
    status["podIP"] = view.ip;
    status["podIPs"] = Object::array({{{"ip", view.ip}}});
    status["startTime"] = view.start_time;
    status["qosClass"] = text_at(status, "qosClass", "BestEffort");
    if (!view.failed_reason.empty()) {
        status["reason"] = view.failed_reason;
        status["message"] = view.failed_message;
    }
    status["containerStatuses"] = Object::array();
    for (const auto& c : view.containers) status["containerStatuses"].push_back(container_status(c, is_initialized));
    if (!view.init_containers.empty()) {
        status["initContainerStatuses"] = Object::array();
        for (const auto& c : view.init_containers) status["initContainerStatuses"].push_back(container_status(c, true));
    }

    auto& conditions = status["conditions"];
    set_condition(conditions, "PodScheduled", "True");
    std::vector<const ContainerView*> incomplete, unready;
    for (const auto& c : view.init_containers)
        if (!c.ready) incomplete.push_back(&c);
    for (const auto& c : view.containers)
        if (!c.ready) unready.push_back(&c);
    if (incomplete.empty())
        set_condition(conditions, "Initialized", "True");
    else
        set_condition(conditions, "Initialized", "False", "ContainersNotInitialized",
                      "containers with incomplete status: " + names(incomplete));
    std::string unopened;
    for (const auto& gate : list_at(pod, "spec.readinessGates")) {
        const auto type = text_at(gate, "conditionType");
        const auto open = std::ranges::any_of(
            conditions, [&](const auto& c) { return text_at(c, "type") == type && text_at(c, "status") == "True"; });
        if (!open) unopened = type;
    }
    for (const char* type : {"ContainersReady", "Ready"}) {
        if (status["phase"] == "Succeeded" || status["phase"] == "Failed")
            set_condition(conditions, type, "False", status["phase"] == "Succeeded" ? "PodCompleted" : "PodFailed");
        else if (!unready.empty())
            set_condition(conditions, type, "False", "ContainersNotReady",
                          "containers with unready status: " + names(unready));
        else if (type == std::string_view("Ready") && !unopened.empty())
            set_condition(conditions, type, "False", "ReadinessGatesNotReady",
                          fmt::format("the status of pod readiness gate \"{}\" is not \"True\"", unopened));
        else
            set_condition(conditions, type, "True");
    }
    return status;
}

}  // namespace toygres::localkube
