#include "base/cron.hpp"
#include "localkube/controllers.hpp"
#include "localkube/defaults.hpp"
#include "localkube/object_fields.hpp"

#include <fmt/format.h>

namespace toygres::localkube {
namespace {

constexpr const char* component = "cronjob-controller";

// "Complete", "Failed", or empty while it runs.
std::string outcome_of(const Object& job) {
    for (const auto& condition : list_at(job, "status.conditions")) {
        const auto type = text_at(condition, "type");
        if ((type == "Complete" || type == "Failed") && text_at(condition, "status") == "True") return type;
    }
    return {};
}

class CronJobController : public Controller {
  public:
    using Controller::Controller;

    void start() override { enqueue_all("cronjobs"); }

    void observe(const WatchEvent& event) override {
        if (event.key.resource == "cronjobs") return enqueue(event.key);
        if (event.key.resource != "jobs") return;
        const auto& owner = controller_of(*event.object);
        if (text_at(owner, "kind") == "CronJob") enqueue({"cronjobs", event.key.ns, text_at(owner, "name")});
    }

  private:
    void reconcile(const ObjectKey& key) override {
        const auto object = store().get(key);
        if (!object || is_terminating(*object)) return;
        auto jobs = jobs_of(key, *object);
        drop_old(*object, jobs, "Complete", int_at(*object, "spec.successfulJobsHistoryLimit", 3));
        drop_old(*object, jobs, "Failed", int_at(*object, "spec.failedJobsHistoryLimit", 1));
        write_status(key, *object, jobs);
        if (flag_at(*object, "spec.suspend")) return;
        const auto schedule = Cron::parse(text_at(*object, "spec.schedule"));
        if (!schedule)
            return node_->events.warning(*object, component, "UnparseableCronJobSchedule", schedule.error().message);
        const auto due = newest_due(*object, *schedule);
        if (due) run(key, *object, jobs, *due);
        if (const auto next = schedule->next(now()))
            enqueue_after(key, std::max(std::chrono::milliseconds(1), *next - now()));
    }

    std::vector<ObjectPtr> jobs_of(const ObjectKey& key, const Object& object) const {
        std::vector<ObjectPtr> out;
        for (const auto& job : store().list("jobs", key.ns))
            if (is_controlled_by(*job, uid_of(object))) out.push_back(job);
        std::ranges::sort(out, {}, [](const ObjectPtr& job) { return name_of(*job); });
        return out;
    }

    // The last time that should have been and was not; of several that were missed only the newest is made up for.
    static std::optional<Timestamp> newest_due(const Object& object, const Cron& schedule) {
        const auto created = parse_rfc3339(text_at(object, "metadata.creationTimestamp")).value_or(now());
        auto since = parse_rfc3339(text_at(object, "status.lastScheduleTime")).value_or(created);
        if (const auto deadline = int_at(object, "spec.startingDeadlineSeconds", -1); deadline >= 0)
            since = std::max(since, now() - std::chrono::seconds(deadline));
        std::optional<Timestamp> due;
        // However long the cluster was down, a day of the past is looked through at most.
        since = std::max(since, now() - std::chrono::days(1));
        for (auto next = schedule.next(since); next && *next <= now(); next = schedule.next(*next)) due = next;
        return due;
    }

    void run(const ObjectKey& key, const Object& object, std::vector<ObjectPtr>& jobs, Timestamp due) {
        const auto policy = text_at(object, "spec.concurrencyPolicy", "Allow");
        for (const auto& job : jobs) {
            if (!outcome_of(*job).empty()) continue;
            if (policy == "Forbid")
                return node_->events.normal(
                    object, component, "JobAlreadyActive",
                    "Not starting job because prior execution is running and concurrency policy is Forbid");
            if (policy == "Replace") (void)store().remove({"jobs", key.ns, name_of(*job)}, 0);
        }
        const auto minute = std::chrono::duration_cast<std::chrono::minutes>(due.time_since_epoch()).count();
        const auto name = fmt::format("{}-{}", key.name.substr(0, 52), minute);
        const auto& job_template = field_at(object, "spec.jobTemplate");
        Object job = {{"apiVersion", "batch/v1"},
                      {"kind", "Job"},
                      {"metadata", job_template.value("metadata", Object::object())},
                      {"spec", job_template.value("spec", Object::object())}};
        job["metadata"].erase("creationTimestamp");
        job["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"] = kube_time(due);
        job["metadata"]["ownerReferences"] = Object::array({controller_reference(object)});
        fill_defaults(*find_kind("Job"), job);
        if (store().create({"jobs", key.ns, name}, std::move(job)))
            node_->events.normal(object, component, "SuccessfulCreate", "Created job " + name);
        (void)store().mutate(key, [&](Object& o) { o["status"]["lastScheduleTime"] = kube_time(due); });
    }

    void drop_old(const Object& object, std::vector<ObjectPtr>& jobs, const char* outcome, std::int64_t keep) {
        std::vector<ObjectPtr> ended;
        for (const auto& job : jobs)
            if (outcome_of(*job) == outcome) ended.push_back(job);
        for (std::size_t i = 0; i + static_cast<std::size_t>(std::max<std::int64_t>(0, keep)) < ended.size(); ++i) {
            node_->events.normal(object, component, "SuccessfulDelete", "Deleted job " + name_of(*ended[i]));
            (void)store().remove({"jobs", namespace_of(*ended[i]), name_of(*ended[i])}, 0);
            std::erase(jobs, ended[i]);
        }
    }

    void write_status(const ObjectKey& key, const Object& object, const std::vector<ObjectPtr>& jobs) {
        Object active = Object::array();
        auto last_success = text_at(object, "status.lastSuccessfulTime");
        for (const auto& job : jobs) {
            const auto outcome = outcome_of(*job);
            if (outcome.empty())
                active.push_back({{"apiVersion", "batch/v1"},
                                  {"kind", "Job"},
                                  {"name", name_of(*job)},
                                  {"namespace", key.ns},
                                  {"uid", uid_of(*job)}});
            else if (outcome == "Complete")
                last_success = std::max(last_success, text_at(*job, "status.completionTime"));
        }
        (void)store().mutate(key, [&](Object& o) {
            auto& status = o["status"];
            if (!status.is_object()) status = Object::object();
            if (active.empty())
                status.erase("active");
            else
                status["active"] = active;
            if (!last_success.empty()) status["lastSuccessfulTime"] = last_success;
        });
    }
};

}  // namespace

ControllerPtr make_cronjob_controller(std::shared_ptr<NodeContext> node) {
    return std::make_shared<CronJobController>(std::move(node));
}

}  // namespace toygres::localkube
