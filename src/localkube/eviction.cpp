#include "localkube/eviction.hpp"

#include "localkube/api_status.hpp"
#include "localkube/object_fields.hpp"

#include <fmt/format.h>

namespace toygres::localkube {
namespace {

[[noreturn]] void raise_refused(const Object& pod, std::string why, int retry_after_seconds) {
    Json details = {{"name", name_of(pod)},
                    {"kind", "pods"},
                    {"causes", {{{"reason", "DisruptionBudget"}, {"message", std::move(why)}}}}};
    if (retry_after_seconds > 0) details["retryAfterSeconds"] = retry_after_seconds;
    raise_status(429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.",
                 std::move(details));
}

ObjectPtr budget_of(const ObjectStore& store, const Object& pod) {
    ObjectPtr found;
    for (const auto& budget : store.list("poddisruptionbudgets", namespace_of(pod))) {
        if (!matches_selector(field_at(*budget, "spec.selector"), field_at(pod, "metadata.labels"))) continue;
        if (found)
            raise_status(500, "InternalError",
                         "This pod has more than one PodDisruptionBudget, which the eviction subresource does not "
                         "support.");
        found = budget;
    }
    return found;
}

// Nobody loses by its deletion: it does not serve yet or any more.
bool is_free_to_go(const Object& pod) {
    const auto phase = text_at(pod, "status.phase");
    return phase == "Succeeded" || phase == "Failed" || phase == "Pending" || is_terminating(pod);
}

}  // namespace

bool is_ready_pod(const Object& pod) {
    return std::ranges::any_of(list_at(pod, "status.conditions"), [](const auto& condition) {
        return text_at(condition, "type") == "Ready" && text_at(condition, "status") == "True";
    });
}

void charge_eviction(ObjectStore& store, const Object& pod, bool dry_run) {
    if (is_free_to_go(pod)) return;
    const auto budget = budget_of(store, pod);
    if (!budget) return;
    const auto name = name_of(*budget);
    const auto healthy = int_at(*budget, "status.currentHealthy");
    const auto desired = int_at(*budget, "status.desiredHealthy");
    // A pod that is not ready does not count towards what has to stay.
    const bool counts = is_ready_pod(pod);
    if (!counts &&
        (text_at(*budget, "spec.unhealthyPodEvictionPolicy") == "AlwaysAllow" || (desired > 0 && healthy >= desired)))
        return;
    if (int_at(*budget, "status.observedGeneration") < int_at(*budget, "metadata.generation"))
        raise_refused(pod, fmt::format("The disruption budget {} is still being processed by the server.", name), 10);
    if (int_at(*budget, "status.disruptionsAllowed") <= 0)
        raise_refused(
            pod,
            fmt::format("The disruption budget {} needs {} healthy pods and has {} currently", name, desired, healthy),
            0);
    if (dry_run) return;
    // The controller counts anew when it sees the pod go; until then the next eviction must not find this one's place.
    static_cast<void>(store.mutate({"poddisruptionbudgets", namespace_of(*budget), name}, [](Object& object) {
        object["status"]["disruptionsAllowed"] = int_at(object, "status.disruptionsAllowed") - 1;
    }));
}

}  // namespace toygres::localkube
