// Trouble of Kubernetes' own: what it is called is told while it lasts, and things go on by themselves when it is over.
#include "base/asio.hpp"
#include "base/file.hpp"
#include "faulty_api.hpp"
#include "kube/manifests.hpp"
#include "scenario.hpp"
#include "support/run.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <thread>

using namespace toygres;
using namespace toygres::test;
using namespace std::chrono_literals;

namespace {

constexpr auto ns = "toygres";

template <class F> auto with_kube(const Stack& stack, F&& use) {
    asio::io_context io;
    kube::Client client(io.get_executor(), kube::load_kubeconfig(stack.kubeconfig()).value());
    return value_or_raise(run(io, use(client)));
}

Json operation(const Stack& stack, const std::string& id) {
    const auto json = Json::parse(stack.call("GET", "/api/v1/operations/" + id).body, nullptr, false);
    return json.is_object() ? json : Json::object();
}

std::string progress(const Stack& stack, const std::string& id, const char* key) {
    return operation(stack, id).value("progress", Json::object()).value(key, "");
}

bool waits_for(const Stack& stack, const std::string& id, const std::string& reason, int seconds = 60) {
    const bool told = eventually([&] { return progress(stack, id, "reason") == reason; }, seconds);
    UNSCOPED_INFO(operation(stack, id).dump());
    return told;
}

// Of the newest instance of that name.
std::string k8s_name_of(const Stack& stack, const std::string& name) {
    return stack.value(
        fmt::format("SELECT k8s_name FROM instances WHERE user_name = '{}' ORDER BY created_at DESC LIMIT 1", name));
}

void check_made(const Stack& stack, const std::string& id, const std::string& name) {
    const auto made = stack.wait_operation(id);
    INFO(made.dump());
    CHECK(made.at("state") == "succeeded");
    CHECK_FALSE(made.value("progress", Json::object()).contains("reason"));
    CHECK(stack.can_connect(name));
    CHECK(stack.wait_operation(stack.remove(name)).at("state") == "succeeded");
    CHECK(stack.broken_invariants().empty());
}

// The reason of an alert that is on record; empty when there is none.
std::string alert(const Replicated& db, const std::string& kind, const std::string& member = {}) {
    return db.stack().value(
        fmt::format("SELECT a ->> 'reason' FROM replication r JOIN instances i ON i.id = r.instance_id, "
                    "jsonb_array_elements(r.alerts) a WHERE i.k8s_name = '{}' AND a ->> 'kind' = '{}' AND "
                    "a ->> 'member' = '{}'",
                    db.k8s_name(), kind, member));
}

// What a member that is added next will be called.
std::string next_member(const Replicated& db) {
    const auto record = db.record();
    const auto last = record.value("last_number", static_cast<std::int64_t>(record.at("members").size()));
    return fmt::format("{}-{}", db.k8s_name(), last + 1);
}

std::string add_standby(const Replicated& db) {
    const auto answer =
        db.stack().call("POST", fmt::format("/api/v1/instances/{}/replicas", db.name()), Json::object());
    INFO(answer.body);
    REQUIRE(answer.status == 202);
    return operation_of(answer);
}

void remove_standby(const Replicated& db, const std::string& member) {
    const auto answer = db.stack().call("DELETE", fmt::format("/api/v1/instances/{}/replicas/{}", db.name(), member));
    INFO(answer.body);
    REQUIRE(answer.status == 202);
    CHECK(db.stack().wait_operation(operation_of(answer)).at("state") == "succeeded");
}

}  // namespace

TEST_CASE("quota exceeded: a creation tells so and waits, and goes on when there is room", "[trouble]") {
    auto& stack = shared_stack();
    FaultyApi api(stack.directory);
    const Stack::StandIn server(stack, {.kubeconfig = api.kubeconfig()});
    api.refuse("PATCH", "/persistentvolumeclaims/", 403, "Forbidden",
               "persistentvolumeclaims \"quota-1-data\" is forbidden: exceeded quota: disks, requested: "
               "requests.storage=10Gi, used: requests.storage=95Gi, limited: requests.storage=100Gi");
    const auto id = stack.create("quota");
    REQUIRE(waits_for(stack, id, "QuotaExceeded"));
    CHECK(progress(stack, id, "message").contains("exceeded quota: disks"));
    CHECK(progress(stack, id, "stage") == "applying objects");
    CHECK(stack.cli("operation " + id).output.contains("QuotaExceeded: apply PersistentVolumeClaim"));
    CHECK(operation(stack, id).at("state") == "running");
    CHECK(api.refused() < 100);
    api.admit_all();
    check_made(stack, id, "quota");
}

TEST_CASE("an admission webhook refuses: a creation tells so and waits, and goes on when it is let", "[trouble]") {
    auto& stack = shared_stack();
    FaultyApi api(stack.directory);
    const Stack::StandIn server(stack, {.kubeconfig = api.kubeconfig()});
    api.refuse("PATCH", "/statefulsets/", 400, "",
               "admission webhook \"policy.example.com\" denied the request: the label team is missing");
    const auto id = stack.create("webhook");
    REQUIRE(waits_for(stack, id, "AdmissionDenied"));
    CHECK(progress(stack, id, "message").contains("policy.example.com"));
    api.admit_all();
    check_made(stack, id, "webhook");
}

TEST_CASE("an object that is invalid: the creation fails at once with the reason, and nothing is left", "[trouble]") {
    auto& stack = shared_stack();
    FaultyApi api(stack.directory);
    const Stack::StandIn server(stack, {.kubeconfig = api.kubeconfig()});
    api.refuse("PATCH", "/services/", 422, "Invalid", "Service \"x\" is invalid: spec.type: Unsupported value");
    const auto ended = stack.wait_operation(stack.create("invalid"));
    INFO(ended.dump());
    CHECK(ended.at("state") == "failed");
    CHECK(ended.at("error").at("code") == "kube_invalid");
    CHECK(ended.at("error").at("message").get<std::string>().contains("Invalid: Service \"x\" is invalid"));
    const auto k8s_name = k8s_name_of(stack, "invalid");
    for (const auto& object : stack.objects()) CHECK_FALSE(object.contains(k8s_name));
    CHECK(stack.broken_invariants().empty());
    api.admit_all();
    CHECK(stack.wait_operation(stack.remove("invalid")).at("state") == "succeeded");
}

TEST_CASE(
    "neither made nor removed: the creation has failed for both reasons, a deletion fails as well, and the next one "
    "leaves nothing",
    "[trouble]") {
    auto& stack = shared_stack();
    FaultyApi api(stack.directory);
    const Stack::StandIn server(stack, {.kubeconfig = api.kubeconfig()});
    api.refuse("PATCH", "/services/", 422, "Invalid", "Service \"x\" is invalid: spec.type: Unsupported value");
    api.refuse("DELETE", "/secrets/", 403, "Forbidden", "secrets \"x\" is forbidden: User cannot delete it");
    const auto ended = stack.wait_operation(stack.create("neither"));
    INFO(ended.dump());
    CHECK(ended.at("state") == "failed");
    CHECK(ended.at("error").at("code") == "kube_invalid");
    CHECK(ended.at("error").at("message").get<std::string>().contains("User cannot delete it"));
    const auto k8s_name = k8s_name_of(stack, "neither");
    const auto left = [&] {
        return std::ranges::any_of(stack.objects(), [&](const auto& object) { return object.contains(k8s_name); });
    };
    CHECK(left());
    CHECK(stack.value(fmt::format("SELECT state FROM instances WHERE k8s_name = '{}'", k8s_name)) == "failed");
    CHECK(stack.broken_invariants().empty());
    const auto first = stack.remove("neither");
    CHECK(stack.wait_operation(first).at("state") == "failed");
    CHECK(left());
    api.admit_all();
    const auto second = stack.remove("neither");
    CHECK(second != first);
    CHECK(stack.wait_operation(second).at("state") == "succeeded");
    CHECK_FALSE(left());
    CHECK(stack.broken_invariants().empty());
}

TEST_CASE("429 with Retry-After: a creation waits as it is told to, and goes on", "[trouble]") {
    auto& stack = shared_stack();
    FaultyApi api(stack.directory);
    const Stack::StandIn server(stack, {.kubeconfig = api.kubeconfig()});
    api.refuse("PATCH", "/statefulsets/", 429, "TooManyRequests", "too many requests, please try again later",
               {{"Retry-After", "1"}});
    const auto id = stack.create("slowly");
    REQUIRE(waits_for(stack, id, "TooManyRequests"));
    CHECK(api.refused() < 20);
    api.admit_all();
    check_made(stack, id, "slowly");
}

TEST_CASE("an image that cannot be had: ImagePullBackOff is told, and the creation goes on when there is one",
          "[trouble]") {
    auto& stack = shared_stack();
    const Stack::StandIn server(stack, {.environment = {"TOYGRES_AGENT_IMAGE=registry.example/nothing:1"}});
    const auto id = stack.create("picture");
    REQUIRE(waits_for(stack, id, "ImagePullBackOff"));
    CHECK(progress(stack, id, "message").contains("registry.example/nothing:1"));
    CHECK(progress(stack, id, "stage") == "starting PostgreSQL");
    const auto member = k8s_name_of(stack, "picture") + "-1";
    with_kube(stack, [&](kube::Client& client) {
        const Json change = {{"op", "replace"},
                             {"path", "/spec/template/spec/initContainers/0/image"},
                             {"value", "toygres-agent:there"}};
        return client.patch(kube::resource("StatefulSet", ns, member), kube::PatchType::json, Json::array({change}));
    });
    with_kube(stack, [&](kube::Client& client) { return client.remove(kube::resource("Pod", ns, member + "-0")); });
    check_made(stack, id, "picture");
}

TEST_CASE("a claim that is not bound: told with its event, as an alert too, and the standby comes when it is bound",
          "[trouble]") {
    const auto& db = at_rest();
    const auto& stack = db.stack();
    const auto member = next_member(db);
    const auto in_the_way = fmt::format("{}/cluster/volumes/{}/{}-data", stack.directory, ns, member);
    write_file_atomically(in_the_way, "not a directory\n", 0644).value();
    const auto id = add_standby(db);
    REQUIRE(waits_for(stack, id, "ProvisioningFailed"));
    CHECK(progress(stack, id, "message").contains("PersistentVolumeClaim " + member + "-data"));
    CHECK(eventually([&] { return alert(db, "member_trouble", member) == "ProvisioningFailed"; }));
    for (const auto* verb : {"replication status ", "get "})
        CHECK(stack.cli(verb + db.name()).output.contains(member + ": ProvisioningFailed"));
    std::filesystem::remove(in_the_way);
    CHECK(stack.wait_operation(id).at("state") == "succeeded");
    CHECK(eventually([&] { return alert(db, "member_trouble", member).empty(); }));
    remove_standby(db, member);
    CHECK(db.becomes_whole());
}

TEST_CASE("a StatefulSet that cannot make its pod: FailedCreate is told, and the standby comes when it can",
          "[trouble]") {
    const auto& db = at_rest();
    const auto& stack = db.stack();
    const auto member = next_member(db);
    const Json container = {{"name", "x"}, {"image", "busybox"}, {"command", {"sleep", "1000"}}};
    const Json pod = {{"apiVersion", "v1"},
                      {"kind", "Pod"},
                      {"metadata", {{"name", member + "-0"}, {"namespace", ns}}},
                      {"spec", {{"containers", Json::array({container})}}}};
    with_kube(stack, [&](kube::Client& client) { return client.create(pod); });
    const auto id = add_standby(db);
    REQUIRE(waits_for(stack, id, "FailedCreate"));
    CHECK(progress(stack, id, "message").contains(member + "-0"));
    with_kube(stack, [&](kube::Client& client) {
        return client.remove(kube::resource("Pod", ns, member + "-0"), {.grace_seconds = 0});
    });
    CHECK(stack.wait_operation(id).at("state") == "succeeded");
    remove_standby(db, member);
    CHECK(db.becomes_whole());
}

TEST_CASE("watches that expire (410) all the time: a creation goes on by lists", "[trouble]") {
    auto& stack = shared_stack();
    FaultyApi api(stack.directory);
    const Stack::StandIn server(stack, {.kubeconfig = api.kubeconfig()});
    api.expire_watches(true);
    const auto id = stack.create("expired");
    const auto made = stack.wait_operation(id);
    CHECK(made.at("state") == "succeeded");
    CHECK(api.expired() > 2);
    api.expire_watches(false);
    check_made(stack, id, "expired");
}

TEST_CASE("a finalizer holds an object: a deletion tells which and waits, and ends when it goes", "[trouble]") {
    auto& stack = shared_stack();
    CHECK(stack.wait_operation(stack.create("held")).at("state") == "succeeded");
    const auto service = kube::resource("Service", ns, k8s_name_of(stack, "held"));
    const auto set_finalizers = [&](const Json& list) {
        const Json change = {{"metadata", {{"finalizers", list}}}};
        with_kube(stack, [&](kube::Client& client) { return client.patch(service, kube::PatchType::merge, change); });
    };
    set_finalizers(Json::array({"example.com/keep"}));
    const auto id = stack.remove("held");
    REQUIRE(waits_for(stack, id, "Terminating"));
    CHECK(progress(stack, id, "message").contains("it is held by example.com/keep"));
    set_finalizers(nullptr);
    CHECK(stack.wait_operation(id).at("state") == "succeeded");
    CHECK(stack.broken_invariants().empty());
}

TEST_CASE("somebody else writes to the topology's ConfigMap all the time: a switchover is made all the same",
          "[trouble]") {
    Scene s;
    {
        const std::jthread writer([&](const std::stop_token& stop) {
            for (int i = 0; !stop.stop_requested(); ++i) {
                const Json note = {{"metadata", {{"annotations", {{"example.com/seen", std::to_string(i)}}}}}};
                with_kube(s.db.stack(), [&](kube::Client& client) {
                    return client.patch(kube::resource("ConfigMap", ns, kube::topology_config_map(s.db.k8s_name())),
                                        kube::PatchType::merge, note);
                });
                std::this_thread::sleep_for(5ms);
            }
        });
        CHECK(s.db.ask("switchover").at("state") == "succeeded");
        CHECK(s.db.becomes_whole());
    }
    s.check_end(1);
}

TEST_CASE("the API server answers with 5xx and 429: told as an alert, nothing is changed, and it is over when they are",
          "[trouble]") {
    Scene s;
    FaultyApi api(s.db.stack().directory);
    const Stack::StandIn server(s.db.stack(), {.kubeconfig = api.kubeconfig()});
    CHECK(eventually([&] { return api.passed_on() > 10; }));
    api.be(FaultyApi::Mood::errors);
    REQUIRE(eventually([&] { return !alert(s.db, "kubernetes").empty(); }));
    CHECK(s.db.stack().cli("replication status " + s.db.name()).output.contains("Kubernetes"));
    CHECK(s.ledger.goes_on());
    api.be(FaultyApi::Mood::well);
    CHECK(eventually([&] { return alert(s.db, "kubernetes").empty(); }));
    s.check_end(0);
}

TEST_CASE("the API server does not answer: a creation says so and goes on when it does", "[trouble]") {
    auto& stack = shared_stack();
    FaultyApi api(stack.directory);
    const Stack::StandIn server(stack, {.kubeconfig = api.kubeconfig()});
    api.be_silent(true);
    const auto id = stack.create("silence");
    REQUIRE(waits_for(stack, id, "KubernetesUnreachable", 90));
    api.be_silent(false);
    check_made(stack, id, "silence");
}

TEST_CASE("the API server does not answer for two minutes: the instance serves on, a creation goes on afterwards",
          "[.][trouble][slow]") {
    Scene s;
    FaultyApi api(s.db.stack().directory);
    const Stack::StandIn server(s.db.stack(), {.kubeconfig = api.kubeconfig()});
    CHECK(eventually([&] { return api.passed_on() > 10; }));
    api.be_silent(true);
    const auto began = std::chrono::steady_clock::now();
    const auto id = s.db.stack().create("minutes");
    CHECK(eventually([&] { return !alert(s.db, "kubernetes").empty(); }));
    CHECK(waits_for(s.db.stack(), id, "KubernetesUnreachable", 90));
    while (std::chrono::steady_clock::now() - began < 2min) CHECK(s.ledger.goes_on(500));
    api.be_silent(false);
    check_made(s.db.stack(), id, "minutes");
    CHECK(eventually([&] { return alert(s.db, "kubernetes").empty(); }));
    s.check_end(0);
}

TEST_CASE(
    "trouble that does not go: creations fail when their time is over, with Kubernetes' reason, and nothing is left",
    "[.][trouble][slow]") {
    auto& stack = shared_stack();
    FaultyApi api(stack.directory);
    const Stack::StandIn server(
        stack, {.kubeconfig = api.kubeconfig(), .environment = {"TOYGRES_AGENT_IMAGE=registry.example/nothing:1"}});
    api.refuse("PATCH", "/persistentvolumeclaims/full-", 403, "Forbidden", "x is forbidden: exceeded quota: disks");
    const std::pair<std::string, std::string> full{"full", stack.create("full")};
    const std::pair<std::string, std::string> missing{"missing", stack.create("missing")};
    for (const auto& [name, id] : {full, missing}) {
        const auto ended = stack.wait_operation(id, 400);
        INFO(ended.dump());
        CHECK(ended.at("state") == "failed");
        const auto& error = ended.at("error");
        CHECK(error.at("code") == (name == "full" ? "kube_quota_exceeded" : "member_not_ready"));
        CHECK(error.at("message").get<std::string>().contains(name == "full" ? "exceeded quota: disks"
                                                                             : "ImagePullBackOff: agent: "));
        const auto k8s_name = k8s_name_of(stack, name);
        for (const auto& object : stack.objects()) CHECK_FALSE(object.contains(k8s_name));
        CHECK(stack.wait_operation(stack.remove(name)).at("state") == "succeeded");
    }
    CHECK(stack.broken_invariants().empty());
}

TEST_CASE(
    "the primary's node is gone and its pod stays in Terminating: a failover, NodeNotReady is told, nothing is deleted "
    "by us, and the old primary comes back with its node",
    "[trouble]") {
    Scene s;
    FaultyApi api(s.db.stack().directory);
    const Stack::StandIn server(s.db.stack(), {.kubeconfig = api.kubeconfig()});
    auto processes = s.db.server_processes(s.primary);
    processes.push_back(s.db.agent(s.primary));
    const auto gone_at = format_rfc3339(now());
    // As the control plane shows a pod of a node that it hears nothing of.
    api.show_pods([pod_name = s.primary + "-0", gone_at](Json& pod) {
        if (pod["metadata"].value("name", "") != pod_name) return;
        pod["metadata"]["deletionTimestamp"] = gone_at;
        for (auto& condition : pod["status"]["conditions"]) {
            const auto type = condition.value("type", "");
            if (type == "Ready") condition = {{"type", type}, {"status", "False"}};
            if (type == "ContainersReady") condition = {{"type", type}, {"status", "True"}};
        }
    });
    {
        const Frozen node(processes);
        REQUIRE(eventually([&] { return s.db.primary() == s.standby; }));
        CHECK(eventually([&] { return alert(s.db, "member_trouble", s.primary) == "NodeNotReady"; }));
        CHECK(api.asked(fmt::format("DELETE /api/v1/namespaces/{}/pods", ns)).empty());
    }
    api.show_pods({});
    CHECK(s.db.becomes_whole());
    CHECK(eventually([&] { return alert(s.db, "member_trouble", s.primary).empty(); }));
    s.check_end(1);
}
