#include "kube/inspect.hpp"

#include "kube/pods.hpp"
#include "kube/status.hpp"
#include "kube/trouble.hpp"
#include "support/catch.hpp"

using namespace toygres;
using namespace toygres::kube;

TEST_CASE("inspect: a Service's address is its load balancer's, or the cluster's") {
    Json service{{"spec", {{"type", "LoadBalancer"}, {"clusterIP", "10.0.0.1"}}}};
    CHECK_FALSE(service_address(service));
    service["status"]["loadBalancer"]["ingress"] = {{{"hostname", "lb.example"}}};
    CHECK(service_address(service) == "lb.example");
    service["status"]["loadBalancer"]["ingress"] = {{{"ip", "1.2.3.4"}}};
    CHECK(service_address(service) == "1.2.3.4");
    service["spec"]["type"] = "ClusterIP";
    CHECK(service_address(service) == "10.0.0.1");
    service["spec"]["clusterIP"] = "None";
    CHECK_FALSE(service_address(service));
}

TEST_CASE("inspect: a Secret's values are decoded, a missing one is named") {
    const Json secret{{"metadata", {{"name", "s"}}}, {"data", {{"password", "c2VrcmV0"}}}};
    CHECK(secret_value(secret, "password")->reveal() == "sekret");
    CHECK(secret_value(secret, "user").error().message == "Secret s holds no user");
}

TEST_CASE("inspect: a pod that is being deleted is not ready") {
    Json pod{{"metadata", {{"name", "p"}}},
             {"status", {{"podIP", "1.2.3.4"}, {"conditions", {{{"type", "Ready"}, {"status", "True"}}}}}}};
    CHECK(*pod_ready(&pod));
    CHECK(*pod_has_address(&pod));
    pod["metadata"]["deletionTimestamp"] = "now";
    CHECK_FALSE(*pod_ready(&pod));
    CHECK_FALSE(*pod_has_address(&pod));
    CHECK_FALSE(*pod_ready(nullptr));
}

TEST_CASE("inspect: a pod that cannot be scheduled tells why") {
    const Json pod{
        {"status", {{"conditions", {{{"type", "PodScheduled"}, {"status", "False"}, {"message", "no node"}}}}}}};
    CHECK(pod_trouble(pod).message == "not scheduled: no node");
    CHECK_FALSE(pod_trouble(pod).hopeless);
}

TEST_CASE("inspect: an object that is not as it should be tells nothing, and breaks nothing") {
    const Json bare{{"status", {{"conditions", {{{"type", "Ready"}, {"status", "True"}}}}}}};
    CHECK(*pod_ready(&bare));
    const Json odd{{"metadata", "m"},
                   {"status", {{"conditions", {{{"type", 7}}, 3}}, {"containerStatuses", {1, {{"name", 2}}}}}}};
    CHECK_FALSE(has_condition(odd, "Ready"));
    CHECK_FALSE(*pod_ready(&odd));
    CHECK(pod_trouble(odd).message.empty());
    CHECK_FALSE(facts_of(odd).running);
    CHECK_FALSE(facts_of(Json(3)).running);
    const Json ended{{"status",
                      {{"containerStatuses",
                        {{{"name", "postgres"},
                          {"state", {{"waiting", {{"reason", "CrashLoopBackOff"}}}}},
                          {"lastState", {{"terminated", {{"exitCode", "one"}}}}}}}}}}};
    CHECK(trouble_of_pod(ended, Timestamp{})->reason == "CrashLoopBackOff");
}

TEST_CASE("inspect: a server cannot have us wait for ever") {
    const http::Response response{
        429, {}, R"({"kind": "Status", "details": {"retryAfterSeconds": 9223372036854775807}})"};
    CHECK(retry_after(response) == std::chrono::hours(24));
}
