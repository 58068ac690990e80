#include "base/file.hpp"
#include "node_fixture.hpp"

using namespace toygres;
using namespace toygres::test;
using asio::ip::tcp;

namespace {

const std::string waits = "trap 'exit 0' TERM; while :; do sleep 0.05; done";

Object object(const std::string& kind, const std::string& name, Object spec) {
    return {{"kind", kind}, {"metadata", {{"name", name}}}, {"spec", std::move(spec)}};
}

Object stateful_set(const std::string& name, int replicas, const std::string& script) {
    auto pod_template = shell_pod("x", script);
    return object("StatefulSet", name,
                  {{"replicas", replicas},
                   {"serviceName", "members"},
                   {"selector", {{"matchLabels", {{"app", name}}}}},
                   {"template", {{"metadata", {{"labels", {{"app", name}}}}}, {"spec", pod_template["spec"]}}}});
}

Object claim(const std::string& name) {
    return object("PersistentVolumeClaim", name,
                  {{"accessModes", {"ReadWriteOnce"}}, {"resources", {{"requests", {{"storage", "1Gi"}}}}}});
}

// A server that says its own name to whoever connects.
Object echo_pod(const std::string& name, const Object& labels) {
    const std::string script =
        "import socket,os\n"
        "s=socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
        "s.bind((os.environ['POD_IP'],7000)); s.listen(9)\n"
        "while True:\n  c,_=s.accept(); c.sendall(os.environ['HOSTNAME'].encode()); c.close()\n";
    auto pod = shell_pod(name, "");
    main_of(pod)["command"] = {"python3", "-c", script};
    main_of(pod)["env"] =
        Object::array({{{"name", "POD_IP"}, {"valueFrom", {{"fieldRef", {{"fieldPath", "status.podIP"}}}}}}});
    main_of(pod)["ports"] = Object::array({{{"name", "echo"}, {"containerPort", 7000}}});
    main_of(pod)["readinessProbe"] = {{"tcpSocket", {{"port", "echo"}}}, {"periodSeconds", 1}};
    pod["metadata"]["labels"] = labels;
    pod["spec"]["terminationGracePeriodSeconds"] = 0;
    return pod;
}

// What the server at the address says; "refused" when none listens.
std::string ask(TestNode& cluster, const std::string& address, unsigned short port) {
    auto talk = [](asio::io_context& io, tcp::endpoint at) -> asio::awaitable<std::string> {
        tcp::socket socket(io);
        const auto [failed] = co_await socket.async_connect(at, use);
        if (failed == asio::error::connection_refused) co_return "refused";
        if (failed) co_return failed.message();
        std::string said;
        co_await asio::async_read(socket, asio::dynamic_buffer(said), use);
        co_return said;
    };
    return cluster.await(talk(cluster.io, tcp::endpoint(asio::ip::make_address(address), port)));
}

int ready_replicas(TestNode& cluster, const std::string& name) {
    return static_cast<int>(int_at(*cluster.store->get({"statefulsets", "default", name}), "status.readyReplicas", -1));
}

std::string condition(const ObjectPtr& object) {
    for (const auto& c : list_at(*object, "status.conditions"))
        if (const auto type = text_at(c, "type"); type == "Complete" || type == "Failed") return type;
    return "";
}

}  // namespace

TEST_CASE("statefulset: makes its pods in order, one after the other is ready, and takes the last away first") {
    TestNode cluster;
    auto set = stateful_set("db", 2, waits);
    set["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] = {
        {"exec", {{"command", {"test", "-e", "/tmp/ready"}}}}, {"periodSeconds", 1}};
    cluster.create(set);
    cluster.until("the first runs",
                  [&] { return cluster.pod("db-0") && text_at(*cluster.pod("db-0"), "status.phase") == "Running"; });
    CHECK(!cluster.pod("db-1"));
    cluster.exec("db-0", {"touch", "/tmp/ready"});
    cluster.until("the second runs",
                  [&] { return cluster.pod("db-1") && text_at(*cluster.pod("db-1"), "status.phase") == "Running"; });
    CHECK(ready_replicas(cluster, "db") == 1);
    cluster.exec("db-1", {"touch", "/tmp/ready"});
    cluster.until("both are ready", [&] { return ready_replicas(cluster, "db") == 2; });
    const auto pod = cluster.pod("db-1");
    CHECK(text_at(*pod, "spec.hostname") == "db-1");
    CHECK(text_at(*pod, "spec.subdomain") == "members");
    CHECK(is_controlled_by(*pod, uid_of(*cluster.store->get({"statefulsets", "default", "db"}))));
    REQUIRE(cluster.store->mutate({"statefulsets", "default", "db"}, [](Object& o) { o["spec"]["replicas"] = 1; }));
    cluster.until("the second is gone", [&] { return !cluster.pod("db-1"); });
    CHECK(cluster.pod("db-0"));
    cluster.until("its status says so", [&] {
        const auto& status = cluster.store->get({"statefulsets", "default", "db"})->at("status");
        return status["replicas"] == 1 && status["observedGeneration"] == 2;
    });
}

TEST_CASE("statefulset: a deleted pod comes again under its name, a failed one too") {
    TestNode cluster;
    cluster.create(stateful_set("db", 1, waits));
    cluster.until_ready("db-0");
    const auto first = uid_of(*cluster.pod("db-0"));
    REQUIRE(cluster.store->remove({"pods", "default", "db-0"}, 2));
    cluster.until("another one is ready", [&] {
        return cluster.pod("db-0") && uid_of(*cluster.pod("db-0")) != first && ready_replicas(cluster, "db") == 1;
    });
}

TEST_CASE("statefulset: a new template rolls the pods, with OnDelete only those that are deleted") {
    TestNode cluster;
    auto set = stateful_set("db", 2, waits);
    set["spec"]["podManagementPolicy"] = "Parallel";
    cluster.create(set);
    const auto key = ObjectKey{"statefulsets", "default", "db"};
    cluster.until("both are ready", [&] { return ready_replicas(cluster, "db") == 2; });
    const auto change = [&](const std::string& value) {
        REQUIRE(
            cluster.store->mutate(key, [&](Object& o) { o["spec"]["template"]["metadata"]["labels"]["v"] = value; }));
    };
    const auto value_of = [&](const std::string& pod) {
        return cluster.pod(pod) ? text_at(*cluster.pod(pod), "metadata.labels.v") : "";
    };
    change("2");
    cluster.until("both are new", [&] {
        return value_of("db-0") == "2" && value_of("db-1") == "2" && ready_replicas(cluster, "db") == 2;
    });
    cluster.until("the new revision is current", [&] {
        const auto& status = cluster.store->get(key)->at("status");
        return status["currentRevision"] == status["updateRevision"] && status["updatedReplicas"] == 2;
    });
    REQUIRE(cluster.store->mutate(key, [](Object& o) { o["spec"]["updateStrategy"] = {{"type", "OnDelete"}}; }));
    change("3");
    REQUIRE(cluster.store->remove({"pods", "default", "db-1"}, 2));
    cluster.until("the deleted one is new",
                  [&] { return value_of("db-1") == "3" && ready_replicas(cluster, "db") == 2; });
    CHECK(value_of("db-0") == "2");
}

TEST_CASE("statefulset: deleted, its pods go with it; its claims stay") {
    TestNode cluster;
    auto set = stateful_set("db", 1, waits);
    set["spec"]["volumeClaimTemplates"] = Object::array({claim("data")});
    set["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] =
        Object::array({{{"name", "data"}, {"mountPath", "/data"}}});
    cluster.create(set);
    cluster.until_ready("db-0");
    REQUIRE(cluster.store->remove({"statefulsets", "default", "db"}, 0));
    cluster.until("the pod is gone", [&] { return !cluster.pod("db-0"); });
    CHECK(cluster.store->get({"persistentvolumeclaims", "default", "data-db-0"}));
}

TEST_CASE(
    "volume: what a pod writes outlives it; a claim that is deleted goes when its last pod is gone, with its files") {
    TestNode cluster;
    cluster.create(claim("c"));
    const ObjectKey key{"persistentvolumeclaims", "default", "c"};
    cluster.until("it is bound", [&] { return text_at(*cluster.store->get(key), "status.phase") == "Bound"; });
    auto writer = shell_pod("a", "cat /data/x; echo written >>/data/x; " + waits);
    writer["spec"]["volumes"] = Object::array({{{"name", "d"}, {"persistentVolumeClaim", {{"claimName", "c"}}}}});
    main_of(writer)["volumeMounts"] = Object::array({{{"name", "d"}, {"mountPath", "/data"}}});
    cluster.create(writer);
    const auto directory = cluster.state_dir + "/volumes/default/c";
    cluster.until("it has written", [&] { return read_file(directory + "/x") == "written\n"; });
    cluster.remove_pod("a", 0);
    cluster.create(writer);
    cluster.until_ready("a");
    cluster.until_log("a", "written\n");
    REQUIRE(cluster.store->remove(key, 0));
    cluster.exec("a", {"true"});
    REQUIRE(cluster.store->get(key));
    CHECK(std::filesystem::exists(directory));
    cluster.remove_pod("a");
    cluster.until("the claim is gone", [&] { return !cluster.store->get(key); });
    CHECK(!std::filesystem::exists(directory));
    CHECK(cluster.store->list("persistentvolumes").empty());
}

TEST_CASE("service: proxies to ready pods, refuses when there is none, follows labels at once") {
    TestNode cluster;
    auto service = object("Service", "echo",
                          {{"type", "LoadBalancer"},
                           {"selector", {{"role", "primary"}}},
                           {"ports", Object::array({{{"port", 80}, {"targetPort", "echo"}}})}});
    service["spec"]["ports"][0]["port"] = 8000;
    cluster.create(service);
    const ObjectKey key{"services", "default", "echo"};
    cluster.until("it has addresses",
                  [&] { return !list_at(*cluster.store->get(key), "status.loadBalancer.ingress").empty(); });
    const auto cluster_ip = text_at(*cluster.store->get(key), "spec.clusterIP");
    const auto balancer_ip = text_at(cluster.store->get(key)->at("status")["loadBalancer"]["ingress"][0], "ip");
    CHECK(ask(cluster, cluster_ip, 8000) == "refused");
    cluster.create(echo_pod("a", {{"role", "primary"}}));
    cluster.create(echo_pod("b", {{"role", "replica"}}));
    cluster.until_ready("a");
    cluster.until_ready("b");
    cluster.until("it answers", [&] { return ask(cluster, cluster_ip, 8000) == "a"; });
    CHECK(ask(cluster, balancer_ip, 8000) == "a");
    REQUIRE(cluster.store->mutate({"pods", "default", "a"},
                                  [](Object& o) { o["metadata"]["labels"]["role"] = "replica"; }));
    cluster.until("nobody answers", [&] { return ask(cluster, cluster_ip, 8000) == "refused"; });
    REQUIRE(cluster.store->mutate({"pods", "default", "b"},
                                  [](Object& o) { o["metadata"]["labels"]["role"] = "primary"; }));
    cluster.until("the other answers", [&] { return ask(cluster, cluster_ip, 8000) == "b"; });
    REQUIRE(cluster.store->remove(key, 0));
    cluster.until("the service is gone", [&] { return ask(cluster, balancer_ip, 8000) == "refused"; });
    CHECK(!cluster.store->get({"endpoints", "default", "echo"}));
}

TEST_CASE("service: its names stand in every pod's hosts file, headless ones lead to the pods") {
    TestNode cluster;
    cluster.create(object("Service", "members",
                          {{"clusterIP", "None"}, {"publishNotReadyAddresses", true}, {"selector", {{"app", "db"}}}}));
    cluster.create(stateful_set("db", 1, waits));
    cluster.create(shell_pod("a", waits));
    cluster.until_ready("a");
    cluster.until_ready("db-0");
    const auto address_of = [&](const std::string& name) {
        auto out = cluster.exec("a", {"getent", "ahostsv4", name}).first;
        return out.substr(0, out.find(' '));
    };
    const auto ip = text_at(*cluster.pod("db-0"), "status.podIP");
    cluster.until("the pod's name is known",
                  [&] { return address_of("db-0.members.default.svc.cluster.local") == ip; });
    CHECK(address_of("members") == ip);
    CHECK(address_of("db-0.members.default") == ip);
    cluster.create(object("Service", "rw", {{"selector", {{"app", "db"}}}, {"ports", Object::array({{{"port", 1}}})}}));
    cluster.until("a new service is known", [&] {
        return address_of("rw.default.svc") ==
               text_at(*cluster.store->get({"services", "default", "rw"}), "spec.clusterIP");
    });
}

TEST_CASE("job: runs to completion, retries what fails, gives up at its limit, and is cleaned up after its time") {
    TestNode cluster;
    const auto job = [](const std::string& name, const std::string& script, int limit) {
        auto pod = shell_pod("x", script);
        pod["spec"]["restartPolicy"] = "Never";
        return object("Job", name,
                      {{"completions", 1}, {"backoffLimit", limit}, {"template", {{"spec", pod["spec"]}}}});
    };
    const auto at = [&](const std::string& name) { return cluster.store->get({"jobs", "default", name}); };
    cluster.create(job("good", "echo done", 1));
    cluster.until("it is complete", [&] { return condition(at("good")) == "Complete"; });
    CHECK(at("good")->at("status")["succeeded"] == 1);
    cluster.create(job("bad", "exit 1", 1));
    cluster.until("it has failed", [&] { return condition(at("bad")) == "Failed"; });
    CHECK(at("bad")->at("status")["failed"] == 2);
    auto brief = job("brief", "exit 0", 0);
    brief["spec"]["ttlSecondsAfterFinished"] = 0;
    cluster.create(brief);
    cluster.until("it and its pod are gone", [&] {
        const auto pods = cluster.store->list("pods", "default");
        return !at("brief") &&
               std::ranges::none_of(pods, [](const auto& p) { return name_of(*p).starts_with("brief"); });
    });
    auto slow = job("slow", waits, 0);
    slow["spec"]["activeDeadlineSeconds"] = 1;
    cluster.create(slow);
    cluster.until("its time is up", [&] { return condition(at("slow")) == "Failed"; });
}

TEST_CASE("cronjob: starts what was due, keeps the history short") {
    TestNode cluster;
    auto pod = shell_pod("x", "exit 0");
    pod["spec"]["restartPolicy"] = "Never";
    cluster.create(object("CronJob", "tick",
                          {{"schedule", "* * * * *"},
                           {"successfulJobsHistoryLimit", 1},
                           {"jobTemplate", {{"spec", {{"completions", 1}, {"template", {{"spec", pod["spec"]}}}}}}}}));
    const ObjectKey key{"cronjobs", "default", "tick"};
    const auto ran = [&](const std::string& last) {
        REQUIRE(cluster.store->mutate(key, [&](Object& o) { o["status"]["lastScheduleTime"] = last; }));
        cluster.until("a job is complete", [&] {
            const auto jobs = cluster.store->list("jobs", "default");
            return text_at(*cluster.store->get(key), "status.lastScheduleTime") > last && jobs.size() == 1 &&
                   condition(jobs[0]) == "Complete";
        });
    };
    ran(kube_time(now() - std::chrono::minutes(2)));
    CHECK(is_controlled_by(*cluster.store->list("jobs", "default")[0], uid_of(*cluster.store->get(key))));
    REQUIRE(cluster.store->remove(key, 0));
    cluster.until("its jobs go with it", [&] { return cluster.store->list("jobs", "default").empty(); });
}

TEST_CASE("namespace: has its default account, and takes everything with it when it is deleted") {
    TestNode cluster;
    cluster.create(object("Namespace", "team", Object::object()));
    cluster.until("it has its account",
                  [&] { return cluster.store->get({"serviceaccounts", "team", "default"}) != nullptr; });
    CHECK(cluster.store->get({"configmaps", "team", "kube-root-ca.crt"}));
    auto set = stateful_set("db", 1, waits);
    set["metadata"]["namespace"] = "team";
    cluster.create(set);
    cluster.until("its pod runs", [&] {
        const auto pod = cluster.store->get({"pods", "team", "db-0"});
        return pod && text_at(*pod, "status.phase") == "Running";
    });
    REQUIRE(cluster.store->remove({"namespaces", "", "team"}, 0));
    CHECK(text_at(*cluster.store->get({"namespaces", "", "team"}), "status.phase") == "Terminating");
    cluster.until("it is gone", [&] { return !cluster.store->get({"namespaces", "", "team"}); });
    for (const auto& type : resource_types())
        if (type.namespaced) CHECK(cluster.store->list(type.plural, "team").empty());
}

TEST_CASE("garbage: dependents go with their last owner; in the foreground the owner waits for them") {
    TestNode cluster;
    const auto config = [&](const std::string& name, std::vector<ObjectPtr> owners) {
        Object out = {{"kind", "ConfigMap"}, {"metadata", {{"name", name}}}};
        for (const auto& owner : owners) out["metadata"]["ownerReferences"].push_back(controller_reference(*owner));
        return cluster.create(out);
    };
    const auto exists = [&](const std::string& name) {
        return cluster.store->get({"configmaps", "default", name}) != nullptr;
    };
    const auto a = config("a", {});
    const auto b = config("b", {});
    config("of-both", {a, b});
    const auto of_a = config("of-a", {a});
    config("of-of-a", {of_a});
    REQUIRE(cluster.store->remove({"configmaps", "default", "a"}, 0));
    cluster.until("what only a owned is gone", [&] { return !exists("of-a") && !exists("of-of-a"); });
    REQUIRE(exists("of-both"));
    REQUIRE(cluster.store->mutate({"configmaps", "default", "b"},
                                  [](Object& o) { o["metadata"]["finalizers"] = {"foregroundDeletion"}; }));
    REQUIRE(cluster.store->mutate({"configmaps", "default", "of-both"},
                                  [](Object& o) { o["metadata"]["finalizers"] = {"test/hold"}; }));
    REQUIRE(cluster.store->remove({"configmaps", "default", "b"}, 0));
    cluster.until("the dependent is called",
                  [&] { return is_terminating(*cluster.store->get({"configmaps", "default", "of-both"})); });
    CHECK(exists("b"));
    REQUIRE(cluster.store->mutate({"configmaps", "default", "of-both"},
                                  [](Object& o) { o["metadata"].erase("finalizers"); }));
    cluster.until("both are gone", [&] { return !exists("b") && !exists("of-both"); });
}

TEST_CASE("disruption budget: tells how many pods may go") {
    TestNode cluster;
    auto set = stateful_set("db", 2, waits);
    set["spec"]["podManagementPolicy"] = "Parallel";
    cluster.create(set);
    cluster.create(
        object("PodDisruptionBudget", "db", {{"minAvailable", 1}, {"selector", {{"matchLabels", {{"app", "db"}}}}}}));
    const ObjectKey key{"poddisruptionbudgets", "default", "db"};
    cluster.until("one may go", [&] {
        const auto& status = field_at(*cluster.store->get(key), "status");
        return int_at(status, "currentHealthy") == 2 && int_at(status, "disruptionsAllowed") == 1;
    });
    REQUIRE(cluster.store->mutate({"statefulsets", "default", "db"}, [](Object& o) { o["spec"]["replicas"] = 1; }));
    cluster.until("none may go", [&] { return int_at(*cluster.store->get(key), "status.disruptionsAllowed") == 0; });
}

TEST_CASE("disruption budget: counts a member whose pod is away, of a set of its own") {
    TestNode cluster;
    for (const auto* name : {"a", "b"}) {
        auto set = stateful_set(name, 1, waits);
        set["metadata"]["labels"] = set["spec"]["template"]["metadata"]["labels"];
        set["spec"]["template"]["metadata"]["labels"]["of"] = "both";
        cluster.create(set);
    }
    cluster.create(object("PodDisruptionBudget", "db",
                          {{"maxUnavailable", 1}, {"selector", {{"matchLabels", {{"of", "both"}}}}}}));
    const ObjectKey key{"poddisruptionbudgets", "default", "db"};
    const auto says = [&](int healthy, int allowed) {
        const auto& status = field_at(*cluster.store->get(key), "status");
        return int_at(status, "expectedPods") == 2 && int_at(status, "currentHealthy") == healthy &&
               int_at(status, "disruptionsAllowed") == allowed;
    };
    cluster.until("one may go", [&] { return says(2, 1); });
    REQUIRE(cluster.store->remove({"pods", "default", "b-0"}, 30));
    cluster.until("none may go while it goes", [&] { return says(1, 0); });
    cluster.until("one may go again", [&] { return says(2, 1); });
}
