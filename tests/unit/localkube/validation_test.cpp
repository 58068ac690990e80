#include "localkube/validation.hpp"

#include "localkube/defaults.hpp"
#include "support/catch.hpp"

using namespace toygres;
using namespace toygres::localkube;

namespace {

// The fields that are wrong with an object after its defaults.
std::vector<std::string> wrong(const std::string& kind, const char* text) {
    auto object = Json::parse(text);
    const auto& type = *find_kind(kind);
    fill_defaults(type, object);
    std::vector<std::string> out;
    for (const auto& cause : problems_of(type, object)) out.push_back(cause.field);
    return out;
}

std::vector<std::string> frozen(const std::string& kind, const char* before, const char* after) {
    std::vector<std::string> out;
    for (const auto& cause : forbidden_changes(*find_kind(kind), Json::parse(before), Json::parse(after)))
        out.push_back(cause.field + ": " + cause.message);
    return out;
}

using Fields = std::vector<std::string>;

}  // namespace

TEST_CASE("validation: names and labels") {
    CHECK(wrong("ConfigMap", R"({"metadata": {"name": "a.b-c"}})").empty());
    CHECK(wrong("ConfigMap", R"({"metadata": {"name": "-a"}})") == Fields{"metadata.name"});
    CHECK(wrong("Namespace", R"({"metadata": {"name": "a.b"}})") == Fields{"metadata.name"});
    CHECK(wrong("Service", R"({"metadata": {"name": "1a"}, "spec": {"ports": [{"port": 1}]}})") ==
          Fields{"metadata.name"});
    CHECK(wrong("Role", R"({"metadata": {"name": "system:reader"}})").empty());
    CHECK(wrong("ConfigMap", R"({"metadata": {"name": "a", "labels": {"x y": "1"}}})") == Fields{"metadata.labels"});
    CHECK(wrong("ConfigMap", R"({"metadata": {"name": "a", "labels": {"x": "-"}}})") == Fields{"metadata.labels"});
    CHECK(wrong("ConfigMap", R"({"metadata": {"name": "a", "labels": {"toygres.io/role": ""}}})").empty());
}

TEST_CASE("validation: pods") {
    CHECK(
        wrong("Pod",
              R"({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}, {"name": "a", "image": "i"}]}})") ==
        Fields{"spec.containers[0].image", "spec.containers[1].name"});
    CHECK(wrong("Pod", R"({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a", "image": "i",
              "volumeMounts": [{"name": "v", "mountPath": "/x"}], "livenessProbe": {},
              "resources": {"limits": {"cpu": "much"}}}]}})") ==
          Fields{"spec.containers[0].volumeMounts[0].name", "spec.containers[0].livenessProbe",
                 "spec.containers[0].resources.limits[cpu]", "spec.containers[0].resources.requests[cpu]"});
    CHECK(wrong("Pod", R"({"metadata": {"name": "p"}, "spec": {"restartPolicy": "Sometimes",
              "containers": [{"name": "a", "image": "i"}]}})") == Fields{"spec.restartPolicy"});
}

TEST_CASE("validation: workloads, claims, schedules, quantities") {
    CHECK(wrong("Job", R"({"metadata": {"name": "j"}, "spec": {"template": {"spec":
              {"containers": [{"name": "a", "image": "i"}]}}}})") == Fields{"spec.template.spec.restartPolicy"});
    CHECK(wrong("StatefulSet", R"({"metadata": {"name": "s"}, "spec": {"selector": {"matchLabels": {"a": "1"}},
              "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
              "template": {"metadata": {"labels": {"a": "1"}}, "spec": {"containers": [{"name": "a", "image": "i",
              "volumeMounts": [{"name": "data", "mountPath": "/d"}]}]}}}})")
              .empty());
    CHECK(wrong("PersistentVolumeClaim", R"({"metadata": {"name": "c"}, "spec": {}})") ==
          Fields{"spec.accessModes", "spec.resources[storage]"});
    CHECK(wrong("CronJob",
                R"({"metadata": {"name": "c"}, "spec": {"schedule": "every day", "jobTemplate": {"spec": {"template":
              {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "i"}]}}}}}})") ==
          Fields{"spec.schedule"});
    for (const char* good : {"1", "10Gi", "500m", "1.5G", "1e3", "0"}) CHECK(is_quantity(good));
    for (const char* bad : {"", "Gi", "10gb", "-1", "1e", "ten"}) CHECK(!is_quantity(bad));
}

TEST_CASE("validation: what may not change says so in Kubernetes' words") {
    CHECK(frozen("PersistentVolumeClaim",
                 R"({"spec": {"volumeName": "v", "resources": {"requests": {"storage": "1Gi"}}}})",
                 R"({"spec": {"volumeName": "w", "resources": {"requests": {"storage": "2Gi"}}}})") ==
          Fields{"spec: Forbidden: spec is immutable after creation except resources.requests and "
                 "volumeAttributesClassName for bound claims"});
    CHECK(frozen("PersistentVolumeClaim", R"({"spec": {}})", R"({"spec": {"volumeName": "v"}})").empty());
    CHECK(frozen("Secret", R"({"type": "a"})", R"({"type": "b"})") ==
          Fields{"type: Invalid value: \"b\": field is immutable"});
    CHECK(
        frozen("Secret", R"({"immutable": true, "data": {"a": "1"}})", R"({"immutable": true, "data": {"a": "2"}})") ==
        Fields{"data: Forbidden: field is immutable when `immutable` is set"});
    CHECK(frozen("Service", R"({"spec": {"clusterIP": "127.96.0.1"}})", R"({"spec": {"clusterIP": "127.96.0.2"}})") ==
          Fields{"spec.clusterIPs[0]: Invalid value: [\"127.96.0.2\"]: may not change once set"});
    CHECK(frozen("StatefulSet", R"({"spec": {"replicas": 1, "serviceName": "a"}})",
                 R"({"spec": {"replicas": 2, "serviceName": "a", "template": {}}})")
              .empty());
    CHECK(
        frozen("Pod", R"({"spec": {"containers": [{"image": "a"}]}})", R"({"spec": {"containers": [{"image": "b"}]}})")
            .empty());
    CHECK(frozen("Pod", R"({"spec": {"hostname": "a"}})", R"({"spec": {"hostname": "b"}})").size() == 1);
}
