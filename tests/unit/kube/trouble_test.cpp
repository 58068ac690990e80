#include "kube/trouble.hpp"

#include "fake_api.hpp"
#include "kube/status.hpp"

using namespace toygres;
using namespace toygres::kube;
using test::FakeApi;
using namespace std::chrono_literals;

namespace {

const auto noon = parse_rfc3339("2026-03-01T12:00:00Z").value();

// As the API server shows a pod of a member that is well.
Json healthy_pod() {
    return Json::parse(R"({
      "apiVersion": "v1", "kind": "Pod",
      "metadata": {"name": "db-1-0", "namespace": "ns", "uid": "u1", "labels": {"toygres.io/member": "db-1"}},
      "spec": {"nodeName": "node-7"},
      "status": {"phase": "Running",
        "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Initialized", "status": "True"},
                       {"type": "ContainersReady", "status": "True"}, {"type": "Ready", "status": "True"}],
        "containerStatuses": [{"name": "postgres", "ready": true, "restartCount": 0, "lastState": {},
                               "state": {"running": {"startedAt": "2026-03-01T11:00:00Z"}}}]}})");
}

Json waiting_pod(const std::string& reason, const std::string& message, const char* list = "containerStatuses") {
    auto pod = healthy_pod();
    pod["status"]["phase"] = "Pending";
    pod["status"]["conditions"] = {{{"type", "PodScheduled"}, {"status", "True"}},
                                   {{"type", "ContainersReady"}, {"status", "False"}},
                                   {{"type", "Ready"}, {"status", "False"}, {"reason", "ContainersNotReady"}}};
    const Json waiting = {{"reason", reason}, {"message", message}};
    pod["status"].erase("containerStatuses");
    const Json status = {{"name", "postgres"}, {"state", {{"waiting", waiting}}}};
    pod["status"][list] = Json::array({status});
    return pod;
}

Json unscheduled_pod() {
    auto pod = healthy_pod();
    pod["spec"].erase("nodeName");
    const Json condition = {{"type", "PodScheduled"},
                            {"status", "False"},
                            {"reason", "Unschedulable"},
                            {"message", "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims."}};
    pod["status"] = {{"phase", "Pending"}, {"conditions", Json::array({condition})}};
    return pod;
}

Json an_event(const std::string& type, const std::string& reason, const std::string& message, const std::string& at) {
    return {{"kind", "Event"}, {"type", type}, {"reason", reason}, {"message", message}, {"lastTimestamp", at}};
}

Error refused(int status, const std::string& reason, const std::string& message) {
    return status_error("apply X", {status, {}, FakeApi::status(status, reason, message).dump()});
}

}  // namespace

TEST_CASE("trouble: a pod that is well, or only starts, is in none") {
    CHECK_FALSE(trouble_of_pod(healthy_pod(), noon));
    CHECK_FALSE(trouble_of_pod(waiting_pod("ContainerCreating", ""), noon));
    CHECK_FALSE(trouble_of_pod(waiting_pod("PodInitializing", ""), noon));
    auto leaving = healthy_pod();
    leaving["metadata"]["deletionTimestamp"] = "2026-03-01T12:00:30Z";
    CHECK_FALSE(trouble_of_pod(leaving, noon));
}

TEST_CASE("trouble: a container that cannot start tells why, in Kubernetes' words") {
    for (const auto* reason :
         {"ImagePullBackOff", "CreateContainerConfigError", "InvalidImageName", "RunContainerError"}) {
        const auto told = trouble_of_pod(waiting_pod(reason, "because"), noon);
        REQUIRE(told);
        CHECK(*told == ha::Trouble{reason, "postgres: because"});
    }
    // The two take turns: one name for both.
    CHECK(trouble_of_pod(waiting_pod("ErrImagePull", "not found"), noon)->reason == "ImagePullBackOff");
    CHECK(trouble_of_pod(waiting_pod("ImagePullBackOff", "no", "initContainerStatuses"), noon)->reason ==
          "ImagePullBackOff");
    auto crashing = waiting_pod("CrashLoopBackOff", "back-off 10s restarting failed container");
    crashing["status"]["containerStatuses"][0]["lastState"]["terminated"] = {{"exitCode", 3}, {"reason", "Error"}};
    CHECK(trouble_of_pod(crashing, noon)->message ==
          "postgres: back-off 10s restarting failed container; it ended last with exit code 3 (Error)");
}

TEST_CASE("trouble: a pod that finds no node, and one that was evicted") {
    const auto told = trouble_of_pod(unscheduled_pod(), noon);
    REQUIRE(told);
    CHECK(told->reason == "Unschedulable");
    CHECK(told->message.starts_with("Pod db-1-0: 0/3 nodes are available"));
    auto evicted = healthy_pod();
    evicted["status"] = {
        {"phase", "Failed"}, {"reason", "Evicted"}, {"message", "The node was low on resource: memory."}};
    CHECK(trouble_of_pod(evicted, noon)->reason == "Evicted");
}

TEST_CASE("trouble: a pod of a node that does not answer, before and after it is to be deleted") {
    // The control plane takes Ready from it and leaves what the kubelet said of its containers.
    auto pod = healthy_pod();
    pod["status"]["conditions"][3]["status"] = "False";
    CHECK(trouble_of_pod(pod, noon)->reason == "NodeNotReady");
    CHECK(trouble_of_pod(pod, noon)->message.contains("node-7"));
    pod["metadata"]["deletionTimestamp"] = "2026-03-01T12:00:30Z";
    CHECK(trouble_of_pod(pod, noon)->reason == "NodeNotReady");
    auto tainted = healthy_pod();
    tainted["metadata"]["deletionTimestamp"] = "2026-03-01T12:00:30Z";
    tainted["status"]["conditions"].push_back(
        {{"type", "DisruptionTarget"}, {"status", "True"}, {"reason", "DeletionByTaintManager"}});
    CHECK(trouble_of_pod(tainted, noon)->reason == "NodeNotReady");
}

TEST_CASE("trouble: a pod whose end does not come tells what holds it") {
    auto pod = healthy_pod();
    pod["metadata"]["deletionTimestamp"] = "2026-03-01T11:50:00Z";
    pod["metadata"]["finalizers"] = Json::array({"example.com/keep"});
    const auto told = trouble_of_pod(pod, noon);
    REQUIRE(told);
    CHECK(told->reason == "Terminating");
    CHECK(told->message.contains("example.com/keep"));
    const Json service = {{"kind", "Service"},
                          {"metadata", {{"name", "db"}, {"deletionTimestamp", "2026-03-01T11:59:00Z"}}}};
    CHECK(trouble_of_deletion(service, noon)->message == "Service db should have been gone at 2026-03-01T11:59:00Z");
    CHECK_FALSE(trouble_of_deletion(service, parse_rfc3339("2026-03-01T11:59:10Z").value()));
}

TEST_CASE("trouble: of events the newest counts, and only when it tells of a failure") {
    const auto failed = an_event("Warning", "FailedCreate",
                                 "create Pod db-1-0 in StatefulSet db-1 failed error: pods \"db-1-0\" is forbidden: "
                                 "exceeded quota: pods",
                                 "2026-03-01T12:00:05Z");
    const auto made = an_event("Normal", "SuccessfulCreate", "create Pod db-1-0", "2026-03-01T12:00:09Z");
    const auto probe = an_event("Warning", "Unhealthy", "Startup probe failed", "2026-03-01T12:00:20Z");
    const auto unbound =
        an_event("Normal", "FailedBinding", "no persistent volumes available for this claim", "2026-03-01T12:00:01Z");
    CHECK(trouble_of_events({failed})->reason == "FailedCreate");
    CHECK(trouble_of_events({failed})->message.contains("exceeded quota"));
    CHECK_FALSE(trouble_of_events({failed, made}));
    CHECK(trouble_of_events({probe, failed})->reason == "FailedCreate");
    CHECK_FALSE(trouble_of_events({probe}));
    CHECK(trouble_of_events({unbound})->reason == "FailedBinding");
    CHECK_FALSE(trouble_of_events({}));
}

TEST_CASE("trouble: refusals that may pass are told from those that do not, whatever their status") {
    const auto quota = refused(403, "Forbidden",
                               "pods \"x\" is forbidden: exceeded quota: pods, requested: pods=1, used: pods=4, "
                               "limited: pods=4");
    CHECK(quota.code == "kube_quota_exceeded");
    CHECK(quota.retryable());
    CHECK(trouble_of(quota).reason == "QuotaExceeded");
    CHECK(trouble_of(quota).message.contains("limited: pods=4"));
    for (const int status : {400, 403, 422}) {
        const auto denied = refused(status, "", "admission webhook \"v.example.com\" denied the request: no");
        CHECK(denied.code == "kube_denied");
        CHECK(denied.retryable());
        CHECK(trouble_of(denied).reason == "AdmissionDenied");
    }
    CHECK(refused(422, "Invalid", "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no").code ==
          "kube_denied");
    CHECK(refused(403, "Forbidden", "User \"u\" cannot create resource \"pods\"").code == "kube_forbidden");
    CHECK(refused(422, "Invalid", "spec.x: Required value").code == "kube_invalid");
    // A webhook that cannot be asked is an error of the server.
    CHECK(refused(500, "InternalError", "failed calling webhook \"v\": connection refused").code == "kube_unavailable");
    CHECK(trouble_of(refused(503, "ServiceUnavailable", "x")).reason == "ServiceUnavailable");
    CHECK(trouble_of({ErrorKind::transient, "kube_unreachable", "x"}).reason == "KubernetesUnreachable");
    CHECK(trouble_of({ErrorKind::timeout, "kube_timed_out", "x"}).reason == "KubernetesUnreachable");
}

TEST_CASE("trouble: a pod that is not there is explained by the events of its StatefulSet") {
    FakeApi api;
    Client client(api.io.get_executor(), api.access());
    api.answer(404, FakeApi::status(404, "NotFound", "x"));
    api.answer(200, FakeApi::list(3, {an_event("Warning", "FailedCreate", "exceeded quota", "2026-03-01T12:00:00Z")}));
    const auto told = api.run(member_trouble(client, "ns", "db", 1));
    REQUIRE(told);
    CHECK(told->reason == "FailedCreate");
    CHECK(api.requests[0].target == "/api/v1/namespaces/ns/pods/db-1-0");
    CHECK(api.requests[1].target.contains("involvedObject.kind%3DStatefulSet%2CinvolvedObject.name%3Ddb-1&"));
}

TEST_CASE("trouble: a claim that is not bound tells better than the scheduler that waits for it") {
    FakeApi api;
    Client client(api.io.get_executor(), api.access());
    const Json claim = {{"metadata", {{"name", "db-1-data"}, {"uid", "c1"}}}, {"status", {{"phase", "Pending"}}}};
    api.answer(200, unscheduled_pod());
    api.answer(200, claim);
    api.answer(200,
               FakeApi::list(3, {an_event("Warning", "ProvisioningFailed",
                                          "storageclass.storage.k8s.io \"fast\" not found", "2026-03-01T12:00:00Z")}));
    const auto told = api.run(member_trouble(client, "ns", "db", 1));
    REQUIRE(told);
    CHECK(*told == ha::Trouble{"ProvisioningFailed",
                               "PersistentVolumeClaim db-1-data: storageclass.storage.k8s.io \"fast\" not found"});
    // One that waits for its first pod is not to blame.
    api.answer(200, unscheduled_pod());
    api.answer(200, claim);
    api.answer(200, FakeApi::list(3, {an_event("Normal", "WaitForFirstConsumer", "waiting", "2026-03-01T12:00:00Z")}));
    CHECK(api.run(member_trouble(client, "ns", "db", 1))->reason == "Unschedulable");
}

TEST_CASE("trouble: a volume that is not mounted is told by the pod's events") {
    FakeApi api;
    Client client(api.io.get_executor(), api.access());
    api.answer(200, waiting_pod("ContainerCreating", ""));
    api.answer(200, {{"metadata", {{"name", "db-1-data"}}}, {"status", {{"phase", "Bound"}}}});
    api.answer(200, FakeApi::list(
                        3, {an_event("Warning", "FailedAttachVolume", "Multi-Attach error", "2026-03-01T12:00:00Z")}));
    CHECK(api.run(member_trouble(client, "ns", "db", 1))->reason == "FailedAttachVolume");
    CHECK(api.requests[2].target.contains("involvedObject.uid%3Du1"));
}

TEST_CASE("trouble: a member that is ready is in none, and events that may not be read tell nothing") {
    FakeApi api;
    Client client(api.io.get_executor(), api.access());
    api.answer(200, healthy_pod());
    CHECK_FALSE(api.run(member_trouble(client, "ns", "db", 1)));
    CHECK(api.requests.size() == 1);
    api.answer(404, FakeApi::status(404, "NotFound", "x"));
    api.answer(403, FakeApi::status(403, "Forbidden", "events is forbidden"));
    CHECK_FALSE(api.run(member_trouble(client, "ns", "db", 1)));
}
