#include "base/crypto.hpp"
#include "localkube/controllers.hpp"
#include "localkube/defaults.hpp"
#include "localkube/object_fields.hpp"

#include <fmt/format.h>

#include <charconv>

namespace toygres::localkube {
namespace {

constexpr const char* component = "statefulset-controller";
constexpr const char* revision_label = "controller-revision-hash";
constexpr const char* name_label = "statefulset.kubernetes.io/pod-name";

bool is_ready(const Object& pod) {
    return std::ranges::any_of(list_at(pod, "status.conditions"), [](const auto& condition) {
        return text_at(condition, "type") == "Ready" && text_at(condition, "status") == "True";
    });
}

std::string revision_of(const Object& pod) {
    const auto& labels = field_at(pod, "metadata.labels");
    return labels.is_object() ? labels.value(revision_label, "") : "";
}

// The ordinal of a pod's name; nullopt when the name is not one of this set.
std::optional<int> ordinal_of(const std::string& set, const std::string& pod) {
    if (!pod.starts_with(set + "-")) return std::nullopt;
    const std::string_view digits = std::string_view(pod).substr(set.size() + 1);
    int out = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    return out;
}

class StatefulSetController : public Controller {
  public:
    using Controller::Controller;

    void start() override { enqueue_all("statefulsets"); }

    void observe(const WatchEvent& event) override {
        if (event.key.resource == "statefulsets") return enqueue(event.key);
        if (event.key.resource != "pods") return;
        const auto& owner = controller_of(*event.object);
        if (text_at(owner, "kind") == "StatefulSet") enqueue({"statefulsets", event.key.ns, text_at(owner, "name")});
    }

  private:
    struct Set {
        ObjectKey key;
        ObjectPtr object;
        std::string revision;
        int first;
        int replicas;
        bool parallel;
        std::map<int, ObjectPtr> pods;  // by ordinal
    };

    void reconcile(const ObjectKey& key) override {
        const auto object = store().get(key);
        if (!object || is_terminating(*object)) return;
        const auto& pod_template = field_at(*object, "spec.template");
        Set set{key,
                object,
                fmt::format("{}-{}", key.name, sha256_hex(pod_template.dump()).substr(0, 10)),
                static_cast<int>(int_at(*object, "spec.ordinals.start")),
                static_cast<int>(int_at(*object, "spec.replicas", 1)),
                text_at(*object, "spec.podManagementPolicy") == "Parallel",
                {}};
        collect(set);
        act(set);
        collect(set);
        write_status(set);
    }

    void collect(Set& set) {
        set.pods.clear();
        for (const auto& pod : store().list("pods", set.key.ns)) {
            const auto ordinal = ordinal_of(set.key.name, name_of(*pod));
            if (!ordinal) continue;
            if (is_controlled_by(*pod, uid_of(*set.object))) {
                set.pods[*ordinal] = pod;
            } else if (controller_of(*pod).is_null() && !is_terminating(*pod) &&
                       matches_selector(field_at(*set.object, "spec.selector"), field_at(*pod, "metadata.labels"))) {
                const auto adopted = store().mutate({"pods", set.key.ns, name_of(*pod)}, [&](Object& p) {
                    p["metadata"]["ownerReferences"].push_back(controller_reference(*set.object));
                });
                if (adopted) set.pods[*ordinal] = *adopted;
            }
        }
    }

    // One step, or with Parallel all at once; what has to be waited for comes back as an event.
    void act(Set& set) {
        for (int ordinal = set.first; ordinal < set.first + set.replicas; ++ordinal) {
            if (!keep(set, ordinal) && !set.parallel) return;
        }
        for (auto it = set.pods.rbegin(); it != set.pods.rend() && it->first >= set.first + set.replicas; ++it) {
            if (!is_terminating(*it->second)) remove(set, it->second);
            if (!set.parallel) return;
        }
        for (auto it = set.pods.begin(); it != set.pods.end() && it->first < set.first; ++it) {
            if (!is_terminating(*it->second)) remove(set, it->second);
            if (!set.parallel) return;
        }
        roll(set);
    }

    // True when the pod of that ordinal is there and available.
    bool keep(Set& set, int ordinal) {
        const auto it = set.pods.find(ordinal);
        if (it == set.pods.end()) {
            create(set, ordinal);
            return false;
        }
        const auto& pod = *it->second;
        if (is_terminating(pod)) return false;
        const auto phase = text_at(pod, "status.phase");
        if (phase == "Failed" || phase == "Succeeded") {
            node_->events.warning(
                *set.object, component, "RecreatingFailedPod",
                fmt::format("StatefulSet {}/{} is recreating failed Pod {}", set.key.ns, set.key.name, name_of(pod)));
            remove(set, it->second);
            return false;
        }
        return is_available(set, pod);
    }

    bool is_available(const Set& set, const Object& pod) {
        if (!is_ready(pod)) return false;
        const auto wanted = std::chrono::seconds(int_at(*set.object, "spec.minReadySeconds"));
        if (wanted.count() == 0) return true;
        for (const auto& condition : list_at(pod, "status.conditions")) {
            const auto since = parse_rfc3339(text_at(condition, "lastTransitionTime"));
            if (text_at(condition, "type") != "Ready" || !since) continue;
            const auto left = *since + wanted - now();
            if (left.count() <= 0) return true;
            enqueue_after(set.key, left);
        }
        return false;
    }

    void roll(Set& set) {
        if (text_at(*set.object, "spec.updateStrategy.type", "RollingUpdate") != "RollingUpdate") return;
        const auto partition = int_at(*set.object, "spec.updateStrategy.rollingUpdate.partition");
        for (auto it = set.pods.rbegin(); it != set.pods.rend() && it->first >= partition; ++it) {
            if (is_terminating(*it->second)) return;
            if (revision_of(*it->second) != set.revision) return remove(set, it->second);
            if (!is_available(set, *it->second)) return;
        }
    }

    void remove(const Set& set, const ObjectPtr& pod) {
        node_->events.normal(*set.object, component, "SuccessfulDelete",
                             fmt::format("delete Pod {} in StatefulSet {} successful", name_of(*pod), set.key.name));
        delete_gently(store(), *pod);
    }

    void create(const Set& set, int ordinal) {
        const auto ns = store().get({"namespaces", "", set.key.ns});
        if (ns && is_terminating(*ns)) return;
        const auto name = fmt::format("{}-{}", set.key.name, ordinal);
        const auto& pod_template = field_at(*set.object, "spec.template");
        Object pod = {{"apiVersion", "v1"},
                      {"kind", "Pod"},
                      {"metadata", pod_template.value("metadata", Object::object())},
                      {"spec", pod_template.value("spec", Object::object())},
                      {"status", {{"phase", "Pending"}}}};
        auto& metadata = pod["metadata"];
        metadata.erase("creationTimestamp");
        metadata["name"] = name;
        metadata["namespace"] = set.key.ns;
        metadata["generateName"] = set.key.name + "-";
        metadata["labels"][name_label] = name;
        metadata["labels"]["apps.kubernetes.io/pod-index"] = std::to_string(ordinal);
        metadata["labels"][revision_label] = set.revision;
        metadata["ownerReferences"] = Object::array({controller_reference(*set.object)});
        auto& spec = pod["spec"];
        spec["hostname"] = name;
        if (const auto service = text_at(*set.object, "spec.serviceName"); !service.empty())
            spec["subdomain"] = service;
        claim_volumes(set, name, spec);
        fill_defaults(*find_kind("Pod"), pod);
        const auto created = store().create({"pods", set.key.ns, name}, std::move(pod));
        if (created)
            return node_->events.normal(*set.object, component, "SuccessfulCreate",
                                        fmt::format("create Pod {} in StatefulSet {} successful", name, set.key.name));
        node_->events.warning(*set.object, component, "FailedCreate",
                              fmt::format("create Pod {} in StatefulSet {} failed error: {}", name, set.key.name,
                                          created.error().message));
        // A stranger's pod has the name: that may pass, and no event of ours tells.
        enqueue_after(set.key, std::chrono::seconds(1));
    }

    void claim_volumes(const Set& set, const std::string& pod, Object& spec) {
        for (const auto& claim_template : list_at(*set.object, "spec.volumeClaimTemplates")) {
            const auto volume = name_of(claim_template);
            const auto claim = volume + "-" + pod;
            auto object = claim_template;
            object["apiVersion"] = "v1";
            object["kind"] = "PersistentVolumeClaim";
            object["metadata"]["name"] = claim;
            object["metadata"].erase("creationTimestamp");
            object["status"] = {{"phase", "Pending"}};
            for (const auto& [key, value] : field_at(*set.object, "spec.selector.matchLabels").items())
                object["metadata"]["labels"][key] = value;
            if (text_at(*set.object, "spec.persistentVolumeClaimRetentionPolicy.whenDeleted") == "Delete")
                object["metadata"]["ownerReferences"] = Object::array({controller_reference(*set.object)});
            (void)store().create({"persistentvolumeclaims", set.key.ns, claim}, std::move(object));
            auto& volumes = spec["volumes"];
            if (!volumes.is_array()) volumes = Object::array();
            volumes.erase(std::remove_if(volumes.begin(), volumes.end(),
                                         [&](const auto& v) { return text_at(v, "name") == volume; }),
                          volumes.end());
            volumes.push_back({{"name", volume}, {"persistentVolumeClaim", {{"claimName", claim}}}});
        }
    }

    void write_status(const Set& set) {
        int total = 0, ready = 0, available = 0, current = 0, updated = 0;
        auto current_revision = text_at(*set.object, "status.currentRevision", set.revision);
        for (const auto& [ordinal, pod] : set.pods) {
            ++total;
            if (is_ready(*pod)) ++ready;
            if (is_available(set, *pod)) ++available;
            if (is_terminating(*pod)) continue;
            if (revision_of(*pod) == set.revision) ++updated;
            if (revision_of(*pod) == current_revision) ++current;
        }
        if (updated == set.replicas && ready == set.replicas && total == set.replicas) {
            current_revision = set.revision;
            current = updated;
        }
        (void)store().mutate(set.key, [&](Object& object) {
            auto& status = object["status"];
            if (!status.is_object()) status = Object::object();
            status["observedGeneration"] = int_at(object, "metadata.generation");
            status["replicas"] = total;
            status["readyReplicas"] = ready;
            status["availableReplicas"] = available;
            status["currentReplicas"] = current;
            status["updatedReplicas"] = updated;
            status["currentRevision"] = current_revision;
            status["updateRevision"] = set.revision;
            status["collisionCount"] = 0;
        });
    }
};

}  // namespace

ControllerPtr make_statefulset_controller(std::shared_ptr<NodeContext> node) {
    return std::make_shared<StatefulSetController>(std::move(node));
}

}  // namespace toygres::localkube
