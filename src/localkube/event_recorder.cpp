#include "localkube/event_recorder.hpp"

#include "base/crypto.hpp"
#include "localkube/object_fields.hpp"

#include <fmt/format.h>

namespace toygres::localkube {
namespace {

constexpr std::chrono::hours events_kept_for{1};
constexpr std::size_t events_max = 5000;

}  // namespace

void EventRecorder::normal(const Object& about, const std::string& component, const std::string& reason,
                           const std::string& message, const std::string& field_path) {
    record("Normal", about, component, reason, message, field_path);
}

void EventRecorder::warning(const Object& about, const std::string& component, const std::string& reason,
                            const std::string& message, const std::string& field_path) {
    record("Warning", about, component, reason, message, field_path);
}

void EventRecorder::record(const char* type, const Object& about, const std::string& component,
                           const std::string& reason, const std::string& message, const std::string& field_path) {
    const auto time = kube_time();
    const auto same = fmt::format("{}\n{}\n{}\n{}", uid_of(about), reason, message, field_path);
    if (const auto it = recent_.find(same); it != recent_.end()) {
        const auto repeated = store_.mutate(it->second, [&](Object& event) {
            event["count"] = int_at(event, "count", 1) + 1;
            event["lastTimestamp"] = time;
        });
        if (repeated) return;
    }
    const auto ns = namespace_of(about).empty() ? std::string("default") : namespace_of(about);
    const ObjectKey key{"events", ns, fmt::format("{}.{}", name_of(about), random_hex(16))};
    Object involved = {{"apiVersion", text_at(about, "apiVersion")},
                       {"kind", text_at(about, "kind")},
                       {"name", name_of(about)},
                       {"uid", uid_of(about)},
                       {"resourceVersion", text_at(about, "metadata.resourceVersion")}};
    if (!namespace_of(about).empty()) involved["namespace"] = ns;
    if (!field_path.empty()) involved["fieldPath"] = field_path;
    Object source = {{"component", component}};
    if (component == "kubelet") source["host"] = "local";
    const auto created = store_.create(key, {{"apiVersion", "v1"},
                                             {"kind", "Event"},
                                             {"metadata", {{"name", key.name}, {"namespace", ns}}},
                                             {"involvedObject", involved},
                                             {"type", type},
                                             {"reason", reason},
                                             {"message", message},
                                             {"source", source},
                                             {"reportingComponent", component},
                                             {"reportingInstance", ""},
                                             {"count", 1},
                                             {"firstTimestamp", time},
                                             {"lastTimestamp", time}});
    if (created) recent_[same] = key;
}

void EventRecorder::expire() {
    const auto oldest = kube_time(now() - events_kept_for);
    auto events = store_.list("events");
    std::ranges::sort(events, {}, [](const ObjectPtr& e) { return text_at(*e, "lastTimestamp"); });
    for (std::size_t i = 0; i < events.size(); ++i)
        if (i + events_max < events.size() || text_at(*events[i], "lastTimestamp") < oldest)
            (void)store_.remove({"events", namespace_of(*events[i]), name_of(*events[i])}, 0);
    std::erase_if(recent_, [&](const auto& entry) { return !store_.get(entry.second); });
}

}  // namespace toygres::localkube
