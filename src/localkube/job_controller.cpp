#include "base/crypto.hpp"
#include "localkube/controllers.hpp"
#include "localkube/defaults.hpp"
#include "localkube/object_fields.hpp"

#include <fmt/format.h>

namespace toygres::localkube {
namespace {

constexpr const char* component = "job-controller";
constexpr int backoff_factor_max = 36;  // 10 s up to 6 min

class JobController : public Controller {
  public:
    using Controller::Controller;

    void start() override { enqueue_all("jobs"); }

    void observe(const WatchEvent& event) override {
        if (event.key.resource == "jobs") return enqueue(event.key);
        if (event.key.resource != "pods") return;
        const auto& owner = controller_of(*event.object);
        if (text_at(owner, "kind") == "Job") enqueue({"jobs", event.key.ns, text_at(owner, "name")});
    }

  private:
    struct Pods {
        std::vector<ObjectPtr> active;
        int succeeded = 0;
        int failed = 0;
        int restarts = 0;
        int ready = 0;
        Timestamp last_failure{};
    };

    Pods collect(const ObjectKey& key, const Object& job) const {
        Pods out;
        for (const auto& pod : store().list("pods", key.ns)) {
            if (!is_controlled_by(*pod, uid_of(job))) continue;
            const auto phase = text_at(*pod, "status.phase");
            if (phase == "Succeeded") {
                ++out.succeeded;
            } else if (phase == "Failed") {
                ++out.failed;
                for (const auto& status : list_at(*pod, "status.containerStatuses"))
                    if (const auto ended = parse_rfc3339(text_at(status, "state.terminated.finishedAt")))
                        out.last_failure = std::max(out.last_failure, *ended);
            } else if (!is_terminating(*pod)) {
                out.active.push_back(pod);
                for (const auto& status : list_at(*pod, "status.containerStatuses")) {
                    out.restarts += static_cast<int>(int_at(status, "restartCount"));
                    out.ready += flag_at(status, "ready") ? 1 : 0;
                }
            }
        }
        return out;
    }

    static bool is_finished(const Object& job) {
        return std::ranges::any_of(list_at(job, "status.conditions"), [](const auto& condition) {
            const auto type = text_at(condition, "type");
            return (type == "Complete" || type == "Failed") && text_at(condition, "status") == "True";
        });
    }

    void reconcile(const ObjectKey& key) override {
        const auto job = store().get(key);
        if (!job || is_terminating(*job)) return;
        if (is_finished(*job)) return expire(key, *job);
        const auto pods = collect(key, *job);
        const auto completions = int_at(*job, "spec.completions", -1);
        const auto limit = int_at(*job, "spec.backoffLimit", 6);
        if (const auto deadline = int_at(*job, "spec.activeDeadlineSeconds"); deadline > 0) {
            const auto began = parse_rfc3339(text_at(*job, "status.startTime")).value_or(now());
            const auto left = began + std::chrono::seconds(deadline) - now();
            if (left.count() <= 0)
                return finish(key, *job, pods, "Failed", "DeadlineExceeded",
                              "Job was active longer than specified deadline");
            enqueue_after(key, left);
        }
        if (pods.failed > limit || (limit > 0 && pods.restarts > limit))
            return finish(key, *job, pods, "Failed", "BackoffLimitExceeded",
                          "Job has reached the specified backoff limit");
        // Without `completions` one success is enough, once all others have ended.
        const bool complete =
            completions >= 0 ? pods.succeeded >= completions : pods.succeeded > 0 && pods.active.empty();
        if (complete)
            return finish(key, *job, pods, "Complete", "CompletionsReached",
                          "Reached expected number of succeeded pods");
        write_counts(key, pods, static_cast<int>(pods.active.size()));
        if (flag_at(*job, "spec.suspend")) {
            for (const auto& pod : pods.active) delete_gently(store(), *pod);
            return;
        }
        fill(key, *job, pods, completions);
    }

    void fill(const ObjectKey& key, const Object& job, const Pods& pods, std::int64_t completions) {
        auto wanted = int_at(job, "spec.parallelism", 1);
        if (completions >= 0)
            wanted = std::min<std::int64_t>(wanted, completions - pods.succeeded);
        else if (pods.succeeded > 0)
            wanted = static_cast<std::int64_t>(pods.active.size());
        const auto missing = wanted - static_cast<std::int64_t>(pods.active.size());
        if (missing <= 0) return;
        if (pods.failed > 0) {
            const auto initial = node_->options.restart_backoff;
            const auto factor = std::min(backoff_factor_max, 1 << std::min(pods.failed - 1, 10));
            const auto left = pods.last_failure + initial * factor - now();
            if (left.count() > 0) return enqueue_after(key, left);
        }
        for (std::int64_t i = 0; i < missing; ++i) create(key, job);
        write_counts(key, pods, static_cast<int>(wanted));
    }

    void create(const ObjectKey& key, const Object& job) {
        const auto name = fmt::format("{}-{}", key.name.substr(0, 57), random_hex(5));
        const auto& pod_template = field_at(job, "spec.template");
        Object pod = {{"apiVersion", "v1"},
                      {"kind", "Pod"},
                      {"metadata", pod_template.value("metadata", Object::object())},
                      {"spec", pod_template.value("spec", Object::object())},
                      {"status", {{"phase", "Pending"}}}};
        auto& metadata = pod["metadata"];
        metadata.erase("creationTimestamp");
        metadata["name"] = name;
        metadata["namespace"] = key.ns;
        metadata["generateName"] = key.name + "-";
        for (const std::string prefix : {"", "batch.kubernetes.io/"}) {
            metadata["labels"][prefix + "job-name"] = key.name;
            metadata["labels"][prefix + "controller-uid"] = uid_of(job);
        }
        metadata["ownerReferences"] = Object::array({controller_reference(job)});
        fill_defaults(*find_kind("Pod"), pod);
        if (store().create({"pods", key.ns, name}, std::move(pod)))
            node_->events.normal(job, component, "SuccessfulCreate", "Created pod: " + name);
    }

    static void set_counts(Object& job, const Pods& pods, int active) {
        auto& status = job["status"];
        if (!status.is_object()) status = Object::object();
        if (text_at(status, "startTime").empty()) status["startTime"] = kube_time();
        status["active"] = active;
        status["ready"] = pods.ready;
        status["succeeded"] = pods.succeeded;
        status["failed"] = pods.failed;
    }

    void write_counts(const ObjectKey& key, const Pods& pods, int active) {
        (void)store().mutate(key, [&](Object& job) { set_counts(job, pods, active); });
    }

    void finish(const ObjectKey& key, const Object& job, const Pods& pods, const char* type, const std::string& reason,
                const std::string& message) {
        const bool complete = type == std::string_view("Complete");
        (void)store().mutate(key, [&](Object& object) {
            set_counts(object, pods, 0);
            auto& status = object["status"];
            status["ready"] = 0;
            if (complete) status["completionTime"] = kube_time();
            set_condition(status["conditions"], complete ? "SuccessCriteriaMet" : "FailureTarget", "True", reason,
                          message);
            set_condition(status["conditions"], type, "True", reason, message);
        });
        if (complete)
            node_->events.normal(job, component, "Completed", "Job completed");
        else
            node_->events.warning(job, component, reason, message);
        for (const auto& pod : pods.active) delete_gently(store(), *pod);
    }

    void expire(const ObjectKey& key, const Object& job) {
        const auto& limit = field_at(job, "spec.ttlSecondsAfterFinished");
        if (!limit.is_number_integer()) return;
        for (const auto& condition : list_at(job, "status.conditions")) {
            const auto type = text_at(condition, "type");
            const auto since = parse_rfc3339(text_at(condition, "lastTransitionTime"));
            if ((type != "Complete" && type != "Failed") || !since) continue;
            const auto left = *since + std::chrono::seconds(limit.get<std::int64_t>()) - now();
            if (left.count() > 0) return enqueue_after(key, left);
            (void)store().remove(key, 0);
            return;
        }
    }
};

}  // namespace

ControllerPtr make_job_controller(std::shared_ptr<NodeContext> node) {
    return std::make_shared<JobController>(std::move(node));
}

}  // namespace toygres::localkube
