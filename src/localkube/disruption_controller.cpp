#include "localkube/controllers.hpp"
#include "localkube/object_fields.hpp"

#include <cmath>
#include <cstdlib>

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
        if (event.key.resource != "pods") return;
        for (const auto& budget : store().list("poddisruptionbudgets", event.key.ns))
            enqueue({"poddisruptionbudgets", event.key.ns, name_of(*budget)});
    }

  private:
    void reconcile(const ObjectKey& key) override {
        const auto budget = store().get(key);
        if (!budget || is_terminating(*budget)) return;
        int expected = 0, healthy = 0;
        for (const auto& pod : store().list("pods", key.ns)) {
            if (!matches_selector(field_at(*budget, "spec.selector"), field_at(*pod, "metadata.labels"))) continue;
            const auto phase = text_at(*pod, "status.phase");
            if (phase == "Succeeded" || phase == "Failed") continue;
            ++expected;
            const bool ready = std::ranges::any_of(list_at(*pod, "status.conditions"), [](const auto& c) {
                return text_at(c, "type") == "Ready" && text_at(c, "status") == "True";
            });
            if (ready && !is_terminating(*pod)) ++healthy;
        }
        const auto& unavailable = field_at(*budget, "spec.maxUnavailable");
        const int desired = unavailable.is_null() ? amount(field_at(*budget, "spec.minAvailable"), expected)
                                                  : std::max(0, expected - amount(unavailable, expected));
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
