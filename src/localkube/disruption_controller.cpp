#include "localkube/controllers.hpp"
#include "localkube/eviction.hpp"
#include "localkube/object_fields.hpp"

#include <cmath>
#include <cstdlib>
#include <map>

namespace toygres::localkube {
namespace {

// A number or a percentage of `of`, rounded up.
int amount(const Object& value, int of) {
    if (value.is_number_integer()) return value.get<int>();
    if (!value.is_string()) return 0;
    return static_cast<int>(std::ceil(std::atof(value.get_ref<const std::string&>().c_str()) * of / 100.0));
}

class DisruptionController : public Controller {
  public:
    using Controller::Controller;

    void start() override { enqueue_all("poddisruptionbudgets"); }

    void observe(const WatchEvent& event) override {
        if (event.key.resource == "poddisruptionbudgets") return enqueue(event.key);
        if (event.key.resource != "pods" && event.key.resource != "statefulsets") return;
        for (const auto& budget : store().list("poddisruptionbudgets", event.key.ns))
            enqueue({"poddisruptionbudgets", event.key.ns, name_of(*budget)});
    }

  private:
    // How many pods there should be of its controller; a pod without one counts for itself.
    void note_scale(const Object& pod, std::map<std::string, int>& scales) {
        const auto& owner = controller_of(pod);
        const auto set = text_at(owner, "kind") == "StatefulSet"
                             ? store().get({"statefulsets", namespace_of(pod), text_at(owner, "name")})
                             : nullptr;
        const bool is_owner = set && uid_of(*set) == text_at(owner, "uid");
        if (is_owner)
            scales[uid_of(*set)] = static_cast<int>(int_at(*set, "spec.replicas", 1));
        else
            scales[uid_of(pod)] = 1;
    }

    void reconcile(const ObjectKey& key) override {
        const auto budget = store().get(key);
        if (!budget || is_terminating(*budget)) return;
        int pods = 0, healthy = 0;
        std::map<std::string, int> scales;  // of the controllers of the pods, by uid
        for (const auto& pod : store().list("pods", key.ns)) {
            if (!matches_selector(field_at(*budget, "spec.selector"), field_at(*pod, "metadata.labels"))) continue;
            const auto phase = text_at(*pod, "status.phase");
            if (phase == "Succeeded" || phase == "Failed") continue;
            ++pods;
            if (is_ready_pod(*pod) && !is_terminating(*pod)) ++healthy;
            note_scale(*pod, scales);
        }
        // A number of pods that has to stay needs no count of those that there should be.
        const auto& available = field_at(*budget, "spec.minAvailable");
        const auto& unavailable = field_at(*budget, "spec.maxUnavailable");
        int expected = 0;
        for (const auto& [uid, scale] : scales) expected += scale;
        if (unavailable.is_null() && available.is_number_integer()) expected = pods;
        const int desired =
            unavailable.is_null() ? amount(available, expected) : std::max(0, expected - amount(unavailable, expected));
        (void)store().mutate(key, [&](Object& object) {
            auto& status = object["status"];
            if (!status.is_object()) status = Object::object();
            status["observedGeneration"] = int_at(object, "metadata.generation");
            status["expectedPods"] = expected;
            status["currentHealthy"] = healthy;
            status["desiredHealthy"] = desired;
            status["disruptionsAllowed"] = std::max(0, healthy - desired);
        });
    }
};

}  // namespace

ControllerPtr make_disruption_controller(std::shared_ptr<NodeContext> node) {
    return std::make_shared<DisruptionController>(std::move(node));
}

}  // namespace toygres::localkube
